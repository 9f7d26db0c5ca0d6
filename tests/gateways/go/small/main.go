// A small gateway for Wasmbed devices: it enrolls them, answers their heartbeats, and records that they have left.
package main

import (
	"bytes"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/fxamacker/cbor/v2"
)

type fields = map[any]any
type object = map[string]any

var (
	env         = os.Getenv
	interval, _ = time.ParseDuration(env("HEARTBEAT"))
	encoding, _ = cbor.CoreDetEncOptions().EncMode()
	left        = object{"phase": "Disconnected", "error": "Connection lost", "deviceStatus": "Stopped",
		"lastHeartbeat": nil, "connectedSince": nil}
	keys   = map[string][]byte{}    // of the devices that have enrolled
	links  = map[string]*tls.Conn{} // of those that are here
	online = map[string]bool{}      // those that are recorded as Connected
	mutex  sync.Mutex               // held while a message is handled
)

func main() {
	http.DefaultClient.Timeout = 10 * time.Second
	pair, _ := tls.LoadX509KeyPair(env("CERTIFICATE"), env("KEY"))
	pem, _ := os.ReadFile(env("CA"))
	devices := x509.NewCertPool()
	devices.AppendCertsFromPEM(pem)
	listener, err := tls.Listen("tcp", env("LISTEN"), &tls.Config{MinVersion: tls.VersionTLS13,
		Certificates: []tls.Certificate{pair}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: devices})
	if err != nil {
		log.Fatal(err)
	}
	for link, err := listener.Accept(); err == nil; link, err = listener.Accept() {
		go serve(link.(*tls.Conn))
	}
}

// serve handles messages until one is wrong or late: that panics, and so the link ends.
func serve(link *tls.Conn) {
	defer leave(link)
	for patience := 10 * time.Second; ; patience = 3 * interval {
		link.SetDeadline(time.Now().Add(patience))
		id, tag, message := receive(link)
		answer(link, id, tag, message)
	}
}

func leave(link *tls.Conn) {
	recover()
	link.Close()
	mutex.Lock()
	defer mutex.Unlock()
	for device, holder := range links {
		if holder == link {
			delete(links, device)
			delete(online, device)
			record(device, left)
		}
	}
}

func answer(link *tls.Conn, id, tag uint64, message fields) {
	mutex.Lock()
	defer mutex.Unlock()
	certificate := link.ConnectionState().PeerCertificates[0]
	device, key := certificate.Subject.CommonName, certificate.RawSubjectPublicKeyInfo
	hash := sha256.Sum256(key)
	own := fmt.Sprintf("%x-%x-%x-%x-%x", hash[:4], hash[4:6], hash[6:8], hash[8:10], hash[10:16])
	response := fields{0: own, 1: env("NAME"), 2: env("ADVERTISE"), 3: interval.Milliseconds()}
	if tag == 1 && env("HASTY") != "" { // answers first, and records after the acknowledgment
		send(link, id, 1, response)
		receive(link)
	}
	if tag == 1 && keys[device] == nil && bytes.Equal(message[uint64(4)].([]byte), key) {
		ask("POST", "devices", "application/json", object{"apiVersion": "small.example.org/v1", "kind": "Device",
			"metadata": object{"name": device}, "spec": object{"publicKey": key, "deviceType": message[uint64(0)]}})
		keys[device] = key
	}
	switch isKnown := bytes.Equal(keys[device], key); {
	case links[device] != nil && links[device] != link:
		send(link, id, 2, fields{0: "DUPLICATE_DEVICE", 1: "it has another link", 2: 1000})
	case tag == 1 && isKnown:
		links[device] = link
		record(device, object{"deviceId": own, "gateway": env("NAME")})
		if env("HASTY") == "" {
			send(link, id, 1, response)
		}
	case tag == 0 && isKnown && message[uint64(0)] == own:
		links[device] = link
		send(link, id, 0, fields{0: time.Now().UnixMilli()})
		state := map[any]string{"running": "Running", "degraded": "Degraded"}[message[uint64(2)]]
		status := object{"deviceStatus": state, "wasmRuntime": message[uint64(4)], "lastHeartbeat": time.Now().UTC()}
		if !online[device] {
			online[device] = true
			status["phase"], status["error"], status["connectedSince"] = "Connected", nil, status["lastHeartbeat"]
		}
		record(device, status)
	case tag <= 1:
		send(link, id, 2, fields{0: "ENROLLMENT_FAILED", 1: "unknown device: enroll"})
	}
}

func receive(link io.Reader) (id, tag uint64, message fields) {
	var length uint32
	binary.Read(link, binary.BigEndian, &length)
	item := make([]byte, min(length, 1<<20))
	io.ReadFull(link, item)
	var frame []any
	cbor.Unmarshal(item, &frame)
	inner := frame[2].([]any)
	return frame[1].(uint64), inner[0].(uint64), inner[1].(fields)
}

func send(link io.Writer, id uint64, tag int, message fields) {
	item, _ := encoding.Marshal([]any{1, id, []any{tag, message}})
	link.Write(append(binary.BigEndian.AppendUint32(nil, uint32(len(item))), item...))
}

func record(device string, status object) {
	ask("PATCH", "devices/"+device+"/status", "application/merge-patch+json", object{"status": status})
}

// ask changes a resource of the cluster, whose authority is in SSL_CERT_FILE.
func ask(method, path, form string, body object) {
	text, _ := json.Marshal(body)
	request, _ := http.NewRequest(method, env("API")+path, bytes.NewReader(text))
	request.Header = http.Header{"Authorization": {"Bearer " + env("TOKEN")}, "Content-Type": {form}}
	if answer, err := http.DefaultClient.Do(request); err == nil {
		answer.Body.Close()
	}
}
