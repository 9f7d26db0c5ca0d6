package main

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/fxamacker/cbor/v2"
)

const limit = 1 << 20

var (
	encoding, _ = cbor.CoreDetEncOptions().EncMode()
	decoding, _ = cbor.DecOptions{DupMapKey: cbor.DupMapKeyEnforcedAPF, IndefLength: cbor.IndefLengthForbidden,
		TagsMd: cbor.TagsForbidden, MaxNestedLevels: 16, MaxArrayElements: 16384, MaxMapPairs: 16384}.DecMode()
)

type envelope struct {
	_       struct{} `cbor:",toarray"`
	Version int
	ID      uint32
	Message struct {
		_      struct{} `cbor:",toarray"`
		Tag    int
		Fields cbor.RawMessage
	}
}

// What devices send.
type (
	Heartbeat struct {
		DeviceID      string            `cbor:"0,keyasint"`
		Status        string            `cbor:"2,keyasint"`
		Metrics       map[string]int64  `cbor:"3,keyasint"`
		RuntimeStatus string            `cbor:"4,keyasint"`
		Applications  map[string]string `cbor:"5,keyasint"`
	}
	EnrollmentAcknowledgment struct {
		DeviceID string `cbor:"0,keyasint"`
	}
	EnrollmentRequest struct {
		DeviceType      string   `cbor:"0,keyasint"`
		McuType         string   `cbor:"1,keyasint"`
		Architecture    string   `cbor:"2,keyasint"`
		Capabilities    []string `cbor:"3,keyasint"`
		PublicKey       []byte   `cbor:"4,keyasint"`
		FirmwareVersion string   `cbor:"5,keyasint"`
		Nonce           []byte   `cbor:"6,keyasint"`
		LargestModule   *uint64  `cbor:"9,keyasint"`
	}
)

// What this gateway sends.
type (
	HeartbeatAcknowledgment struct {
		Time int64 `cbor:"0,keyasint"`
	}
	EnrollmentResponse struct {
		DeviceID string `cbor:"0,keyasint"`
		Gateway  string `cbor:"1,keyasint"`
		Endpoint string `cbor:"2,keyasint"`
		Interval int64  `cbor:"3,keyasint"`
	}
	Error struct {
		Code       string `cbor:"0,keyasint"`
		Message    string `cbor:"1,keyasint"`
		RetryAfter int64  `cbor:"2,keyasint,omitempty"`
		Action     string `cbor:"3,keyasint,omitempty"`
	}
)

func (m Error) Error() string { return fmt.Sprintf("%s: %s", m.Code, m.Message) }

func tagOf(message any) int {
	switch message.(type) {
	case EnrollmentResponse:
		return 1
	case Error:
		return 2
	}
	return 0
}

// receive reads one frame: a length of four bytes, and one CBOR item of that length.
func receive(link io.Reader) (frame envelope, err error) {
	var length [4]byte
	if _, err = io.ReadFull(link, length[:]); err != nil {
		return frame, err
	}
	size := binary.BigEndian.Uint32(length[:])
	if size > limit {
		return frame, Error{Code: "PROTOCOL_ERROR", Message: fmt.Sprintf("a frame of %d bytes", size)}
	}
	item := make([]byte, size)
	if _, err = io.ReadFull(link, item); err != nil {
		return frame, err
	}
	if err = decoding.Unmarshal(item, &frame); err == nil && frame.Version != 1 {
		err = errors.New("unknown version")
	}
	if err == nil {
		err = checkDeterministic(item)
	}
	if err != nil {
		err = Error{Code: "PROTOCOL_ERROR", Message: err.Error()}
	}
	return frame, err
}

// checkDeterministic encodes an item again: only the deterministic encoding (RFC 8949, section 4.2) comes out the same.
func checkDeterministic(item []byte) error {
	var value any
	if err := decoding.Unmarshal(item, &value); err != nil {
		return err
	}
	if again, err := encoding.Marshal(value); err != nil || !bytes.Equal(again, item) {
		return errors.New("not in deterministic encoding")
	}
	return nil
}

func send(link io.Writer, id uint32, message any) error {
	item, err := encoding.Marshal([]any{1, id, []any{tagOf(message), message}})
	if err != nil {
		return err
	}
	_, err = link.Write(append(binary.BigEndian.AppendUint32(nil, uint32(len(item))), item...))
	return err
}
