package main

import (
	"io"
	"os"
	"path/filepath"
	"syscall"
)

// users tells when the last process that uses the server has gone. Each keeps the FIFO open for writing, so the kernel
// counts them, whatever ends them.
type users struct {
	fifo *os.File
	lock *os.File
}

// openUsers waits until the first user has the FIFO open.
func openUsers(folder string) (*users, error) {
	fifo, err := os.OpenFile(filepath.Join(folder, "users"), os.O_RDONLY, 0)
	if err != nil {
		return nil, err
	}
	lock, err := os.OpenFile(filepath.Join(folder, "lock"), os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	return &users{fifo, lock}, nil
}

// wait returns when there are no users and, because the lock is kept, there cannot be any more.
func (u *users) wait() {
	for {
		io.Copy(io.Discard, u.fifo)
		syscall.Flock(int(u.lock.Fd()), syscall.LOCK_EX)
		if !u.anyone() {
			return
		}
		syscall.Flock(int(u.lock.Fd()), syscall.LOCK_UN)
	}
}

// anyone asks again: somebody may have come between the last one's end and the lock. A read without a writer returns
// nothing at once; with one it would wait.
func (u *users) anyone() bool {
	descriptor := int(u.fifo.Fd())
	syscall.SetNonblock(descriptor, true)
	defer syscall.SetNonblock(descriptor, false)
	_, err := syscall.Read(descriptor, make([]byte, 1))
	return err == syscall.EAGAIN
}
