// A small gateway for Wasmbed devices: enrollment, heartbeats, and the record of both in Kubernetes. It has no HTTP API,
// so nothing can be deployed through it. Written from docs/reference/protocol.md and docs/reference/resources.md.
package main

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"flag"
	"fmt"
	"log"
	"net"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"
)

// Gateway is the server and its live sessions, by device.
type Gateway struct {
	name, advertised string
	interval         time.Duration
	optimistic       bool
	cluster          *Cluster
	mutex            sync.Mutex
	sessions         map[string]*Session
	nonces           map[string]bool
	open             sync.WaitGroup
}

func main() {
	log.SetFlags(0)
	log.SetOutput(os.Stdout)
	listen := flag.String("listen", "127.0.0.1:8443", "address for devices")
	name := flag.String("name", "gateway-1", "name of the Gateway resource")
	advertise := flag.String("advertise", "", "address that devices are told (default: -listen)")
	certificate := flag.String("tls-cert", "", "certificate, PEM")
	key := flag.String("tls-key", "", "private key, PEM")
	authority := flag.String("client-ca", "", "authority of the devices' certificates, PEM")
	kubeconfig := flag.String("kubeconfig", os.Getenv("KUBECONFIG"), "how to reach the cluster")
	form := flag.String("form", "", "JSON file with the cluster's names of resources, fields, and phases")
	interval := flag.Duration("heartbeat", 30*time.Second, "time between the heartbeats of a device")
	optimistic := flag.Bool("optimistic", false, "answer enrollments before the cluster has confirmed them")
	beat := flag.Duration("beat", 10*time.Second, "time between the heartbeats of this gateway")
	flag.Parse()
	if *advertise == "" {
		*advertise = *listen
	}
	pair, err := tls.LoadX509KeyPair(*certificate, *key)
	check(err)
	pem, err := os.ReadFile(*authority)
	check(err)
	devices := x509.NewCertPool()
	devices.AppendCertsFromPEM(pem)
	names, err := ReadForm(*form)
	check(err)
	cluster, err := NewCluster(*kubeconfig, names)
	check(err)
	gateway := &Gateway{name: *name, advertised: *advertise, interval: *interval,
		optimistic: *optimistic, cluster: cluster,
		sessions: map[string]*Session{}, nonces: map[string]bool{}}
	check(gateway.register(*beat))
	listener, err := tls.Listen("tcp", *listen, &tls.Config{MinVersion: tls.VersionTLS13,
		Certificates: []tls.Certificate{pair}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: devices})
	check(err)
	log.Printf("listening on %s", *listen)
	stop, _ := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	go gateway.accept(listener)
	go gateway.beat(*beat)
	<-stop.Done()
	listener.Close()
	gateway.drain()
	check(gateway.report("Offline", *beat))
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

func (g *Gateway) accept(listener net.Listener) {
	for {
		link, err := listener.Accept()
		if err != nil {
			return
		}
		go g.serve(link.(*tls.Conn))
	}
}

// register makes the Gateway resource, or corrects it.
func (g *Gateway) register(beat time.Duration) error {
	spec := Object{"endpoint": g.advertised}
	if err := g.cluster.Create("Gateway", g.name, spec); err != nil && !IsConflict(err) {
		return err
	} else if err != nil {
		if _, err = g.cluster.Patch("gateways/"+g.name, Object{"spec": spec}); err != nil {
			return err
		}
	}
	return g.report("Online", beat)
}

func (g *Gateway) beat(every time.Duration) {
	for range time.Tick(every) {
		if err := g.report("Online", every); err != nil {
			log.Print(err)
		}
	}
}

func (g *Gateway) report(phase string, every time.Duration) error {
	g.mutex.Lock()
	connected := len(g.sessions)
	g.mutex.Unlock()
	return g.cluster.PatchStatus("gateways/"+g.name, Object{"phase": phase, "connectedDevices": connected,
		"lastSeen": now(), "lastSeenIntervalMilliseconds": every.Milliseconds(), "error": nil})
}

// claim gives a device's name to a session, unless another one has it. It waits for one whose end is being written.
func (g *Gateway) claim(session *Session) bool {
	g.mutex.Lock()
	defer g.mutex.Unlock()
	for holder := g.sessions[session.device]; holder != nil; holder = g.sessions[session.device] {
		if !holder.ending {
			return false
		}
		g.mutex.Unlock()
		<-holder.released
		g.mutex.Lock()
	}
	g.sessions[session.device] = session
	g.open.Add(1)
	return true
}

// end notes that a session's end is being written.
func (g *Gateway) end(session *Session) {
	g.mutex.Lock()
	defer g.mutex.Unlock()
	session.ending = true
}

func (g *Gateway) release(session *Session) {
	g.mutex.Lock()
	defer g.mutex.Unlock()
	delete(g.sessions, session.device)
	close(session.released)
	g.open.Done()
}

// fresh tells whether a nonce of a device is new, and remembers it.
func (g *Gateway) fresh(device string, nonce []byte) bool {
	g.mutex.Lock()
	defer g.mutex.Unlock()
	if len(g.nonces) == 1<<16 {
		clear(g.nonces)
	}
	key := device + "/" + string(nonce)
	known := g.nonces[key]
	g.nonces[key] = true
	return !known
}

// drain ends all sessions, and waits until the cluster knows.
func (g *Gateway) drain() {
	g.mutex.Lock()
	for _, session := range g.sessions {
		session.send(1, Error{Code: "GATEWAY_DRAINING", Message: "the gateway stops", RetryAfter: 1000})
		session.link.Close()
	}
	g.mutex.Unlock()
	g.open.Wait()
}

func now() string { return time.Now().UTC().Format("2006-01-02T15:04:05.000000Z") }

func newUUID() string {
	b := make([]byte, 16)
	rand.Read(b)
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}
