// A small gateway for one purpose: to show that a program which knows nothing of the harness can be tested with it.
// It enrolls devices and answers their heartbeats. With -defect=wrong-id it answers under another message id.
package main

import (
	"bytes"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"time"
)

type object = map[string]any

var (
	listen     = flag.String("listen", "", "host:port for devices")
	advertise  = flag.String("advertise", "", "host:port that devices are given")
	cert       = flag.String("cert", "", "certificate, PEM")
	key        = flag.String("key", "", "private key, PEM")
	clientCA   = flag.String("client-ca", "", "authority of devices, PEM")
	api        = flag.String("api", "", "URL of the Kubernetes API")
	token      = flag.String("token", "", "bearer token")
	apiCA      = flag.String("api-ca", "", "authority of the Kubernetes API, PEM")
	namespace  = flag.String("namespace", "", "namespace")
	name       = flag.String("name", "", "name of the Gateway")
	heartbeat  = flag.Float64("heartbeat", 30, "seconds")
	beat       = flag.Float64("beat", 10, "seconds")
	defect     = flag.String("defect", "", "wrong-id")
	kubernetes http.Client
)

func pool(path string) *x509.CertPool {
	found := x509.NewCertPool()
	if text, err := os.ReadFile(path); err == nil {
		found.AppendCertsFromPEM(text)
	}
	return found
}

func call(method, path string, body any) (object, int) {
	text, _ := json.Marshal(body)
	request, _ := http.NewRequest(method, *api+"/apis/wasmbed.io/v1/namespaces/"+*namespace+path, bytes.NewReader(text))
	request.Header.Set("Authorization", "Bearer "+*token)
	request.Header.Set("Content-Type", map[string]string{"PATCH": "application/merge-patch+json"}[method])
	if method == "POST" {
		request.Header.Set("Content-Type", "application/json")
	}
	answer, err := kubernetes.Do(request)
	if err != nil {
		log.Print(err)
		return object{}, 0
	}
	defer answer.Body.Close()
	found := object{}
	json.NewDecoder(answer.Body).Decode(&found)
	return found, answer.StatusCode
}

func create(plural, kind, name string, spec object) {
	metadata := object{"name": name}
	call("POST", "/"+plural, object{"apiVersion": "wasmbed.io/v1", "kind": kind, "metadata": metadata, "spec": spec})
}

func status(plural, name string, status object) {
	call("PATCH", "/"+plural+"/"+name+"/status", object{"status": status})
}

func now() string { return time.Now().UTC().Format("2006-01-02T15:04:05.000000Z") }

func stay() {
	for {
		online := object{"phase": "Online", "lastSeen": now(), "lastSeenIntervalMilliseconds": int(*beat * 1000)}
		status("gateways", *name, online)
		time.Sleep(time.Duration(*beat * float64(time.Second)))
	}
}

type session struct {
	net.Conn
	device string
}

func (s session) send(id uint64, tag uint64, content fields) {
	body := encode(nil, []any{uint64(1), id, []any{tag, content}})
	s.Write(append(binary.BigEndian.AppendUint32(nil, uint32(len(body))), body...))
}

func (s session) enroll(id uint64, request map[uint64]any) string {
	public := base64.StdEncoding.EncodeToString(request[4].([]byte))
	create("devices", "Device", s.device, object{"publicKey": public, "deviceType": request[0], "mcuType": request[1],
		"architecture": request[2], "capabilities": request[3], "firmwareVersion": request[5]})
	random := make([]byte, 16)
	rand.Read(random)
	random[6], random[8] = random[6]&15|64, random[8]&63|128
	device := fmt.Sprintf("%x-%x-%x-%x-%x", random[:4], random[4:6], random[6:8], random[8:10], random[10:])
	status("devices", s.device, object{"phase": "Enrolling", "deviceId": device, "gateway": *name})
	for range 200 { // the device controller confirms it
		found, _ := call("GET", "/devices/"+s.device, nil)
		if state, _ := found["status"].(map[string]any); state["phase"] == "Enrolled" {
			break
		}
		time.Sleep(20 * time.Millisecond)
	}
	s.send(id, 1, fields{device, *name, *advertise, uint64(*heartbeat * 1000)})
	return device
}

func (s session) serve() {
	defer s.Close()
	connected := false
	for {
		size := make([]byte, 4)
		if _, err := io.ReadFull(s, size); err != nil || binary.BigEndian.Uint32(size) > 1<<20 {
			break
		}
		body := make([]byte, binary.BigEndian.Uint32(size))
		if _, err := io.ReadFull(s, body); err != nil {
			break
		}
		item, _ := decode(body)
		envelope := item.([]any)
		id, message := envelope[1].(uint64), envelope[2].([]any)
		content := message[1].(map[uint64]any)
		switch message[0].(uint64) {
		case 0:
			reply := id
			if *defect == "wrong-id" {
				reply++
			}
			s.send(reply, 0, fields{uint64(time.Now().UnixMilli())})
			beaten := object{"deviceStatus": "Running", "lastHeartbeat": now(), "health": "healthy"}
			if !connected {
				connected, beaten["phase"], beaten["connectedSince"] = true, "Connected", now()
			}
			status("devices", s.device, beaten)
		case 1:
			log.Printf("device %s enrolls", s.device)
			s.enroll(id, content)
		}
	}
	if connected {
		status("devices", s.device, object{"phase": "Disconnected", "connectedSince": nil, "lastHeartbeat": nil,
			"deviceStatus": "Stopped", "health": "unknown", "error": "Connection lost"})
	}
}

func main() {
	flag.Parse()
	kubernetes.Transport = &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool(*apiCA)}}
	identity, err := tls.LoadX509KeyPair(*cert, *key)
	if err != nil {
		log.Fatal(err)
	}
	listener, err := tls.Listen("tcp", *listen, &tls.Config{Certificates: []tls.Certificate{identity},
		MinVersion: tls.VersionTLS13, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: pool(*clientCA)})
	if err != nil {
		log.Fatal(err)
	}
	create("gateways", "Gateway", *name, object{"endpoint": *advertise, "capacity": 100})
	go stay()
	log.Printf("listening on %s", *listen)
	for {
		connection, err := listener.Accept()
		if err != nil {
			log.Fatal(err)
		}
		go func() {
			secured := connection.(*tls.Conn)
			if secured.Handshake() != nil {
				connection.Close()
				return
			}
			subject := secured.ConnectionState().PeerCertificates[0].Subject
			session{connection, subject.CommonName}.serve()
		}()
	}
}
