package main

import (
	"bytes"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"log"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/fxamacker/cbor/v2"
)

// Session is one device's link.
type Session struct {
	gateway          *Gateway
	link             *tls.Conn
	device, deviceID string
	publicKey        []byte
	claimed          bool
	connected        bool
	ending           bool           // its end is being written
	released         chan struct{}  // closed when that is done
	metrics          map[string]any // what the cluster has
	received         []uint32       // the latest message ids that count once
	mutex            sync.Mutex
}

// patience is how long a device may take for the handshake, its first message, and reading an answer.
const patience = 10 * time.Second

var (
	deviceTypes  = []string{"mcu", "virtual"}
	capabilities = []string{"wasm", "tls", "cbor", "gpio", "sensor", "publish"}
)

func (g *Gateway) serve(link *tls.Conn) {
	defer link.Close()
	link.SetDeadline(time.Now().Add(patience))
	if err := link.Handshake(); err != nil {
		log.Printf("handshake with %s: %v", link.RemoteAddr(), err)
		return
	}
	certificate := link.ConnectionState().PeerCertificates[0]
	session := &Session{gateway: g, link: link, device: certificate.Subject.CommonName,
		publicKey: certificate.RawSubjectPublicKeyInfo, released: make(chan struct{})}
	for {
		frame, err := receive(link)
		if err == nil {
			err = session.handle(frame)
		}
		var refusal Error
		if errors.As(err, &refusal) {
			session.send(frame.ID, refusal)
		}
		if err != nil {
			log.Printf("device %s: %v", session.device, err)
			break
		}
		link.SetReadDeadline(time.Now().Add(3 * g.interval))
	}
	link.Close()
	if session.claimed {
		g.end(session)
		if err := session.write(disconnected()); err != nil {
			log.Printf("device %s: %v", session.device, err)
		}
		g.release(session)
	}
}

// handle answers one message. An Error is sent to the device; it ends the session, like any other error.
func (s *Session) handle(frame envelope) error {
	switch tag := frame.Message.Tag; {
	case (tag == 0 || tag == 8) && s.repeats(frame.ID):
		return s.send(frame.ID, Error{Code: "REPLAYED_MESSAGE", Message: "this message was received before"})
	case tag == 0:
		var heartbeat Heartbeat
		if err := decode(frame.Message.Fields, &heartbeat); err != nil {
			return err
		}
		return s.heartbeat(frame.ID, heartbeat)
	case tag == 1 && s.deviceID == "":
		var request EnrollmentRequest
		if err := decode(frame.Message.Fields, &request); err != nil {
			return err
		}
		return s.enroll(frame.ID, request)
	case s.deviceID == "":
		return Error{Code: "PROTOCOL_ERROR", Message: "enroll first"}
	case tag == 3:
		var acknowledgment EnrollmentAcknowledgment
		if err := decode(frame.Message.Fields, &acknowledgment); err != nil {
			return err
		} else if acknowledgment.DeviceID != s.deviceID {
			return Error{Code: "ENROLLMENT_FAILED", Message: "this is not the device's id"}
		}
	case tag == 1:
		return s.send(frame.ID, Error{Code: "DUPLICATE_DEVICE", Message: s.device + " is enrolled already"})
	case tag > 9:
		return s.send(frame.ID, Error{Code: "PROTOCOL_ERROR", Message: fmt.Sprintf("unknown tag %d", tag)})
	}
	return nil // acknowledgments, and reports about applications that this gateway has not deployed
}

// repeats tells whether a message id is one of the latest, and remembers it.
func (s *Session) repeats(id uint32) bool {
	if slices.Contains(s.received, id) {
		return true
	}
	s.received = append(s.received[max(0, len(s.received)-63):], id)
	return false
}

func (s *Session) enroll(id uint32, request EnrollmentRequest) error {
	if !slices.Contains(deviceTypes, request.DeviceType) {
		return Error{Code: "ENROLLMENT_FAILED", Message: "unknown device type " + request.DeviceType}
	}
	for _, capability := range request.Capabilities {
		if !slices.Contains(capabilities, capability) {
			return Error{Code: "UNSUPPORTED_CAPABILITY", Message: "unknown capability " + capability}
		}
	}
	for _, capability := range []string{"tls", "cbor"} {
		if !slices.Contains(request.Capabilities, capability) {
			return Error{Code: "UNSUPPORTED_CAPABILITY", Message: "missing capability " + capability}
		}
	}
	if !bytes.Equal(request.PublicKey, s.publicKey) {
		return Error{Code: "CERTIFICATE_INVALID", Message: "not the certificate's key", Action: "RENEW_CERTIFICATE"}
	}
	if !s.gateway.fresh(s.device, request.Nonce) {
		return Error{Code: "REPLAYED_MESSAGE", Message: "this request was received before"}
	}
	if err := s.claim(); err != nil {
		return err
	}
	key := base64.StdEncoding.EncodeToString(request.PublicKey)
	device, err := s.gateway.cluster.Get("devices/" + s.device)
	spec := Object{"publicKey": key, "deviceType": request.DeviceType, "mcuType": request.McuType, "architecture": request.Architecture, "capabilities": request.Capabilities, "firmwareVersion": request.FirmwareVersion}
	if request.LargestModule != nil {
		spec["largestModule"] = *request.LargestModule
	}
	if codeOf(err) == 404 {
		err = s.gateway.cluster.Create("Device", s.device, spec)
	} else if err == nil && text(device, "spec", "publicKey") != key {
		return Error{Code: "CERTIFICATE_INVALID", Message: "registered with another key", Action: "RENEW_CERTIFICATE"}
	} else if err == nil {
		if err = s.endEarlier(text(device, "status", "phase")); err == nil {
			_, err = s.gateway.cluster.Patch("devices/"+s.device, Object{"spec": spec})
		}
	}
	if err != nil {
		return s.later(err)
	}
	s.metrics = member(device, "status", "deviceMetrics")
	deviceID := text(device, "status", "deviceId")
	if deviceID == "" {
		deviceID = newUUID()
	}
	answer := EnrollmentResponse{deviceID, s.gateway.name, s.gateway.advertised, s.gateway.interval.Milliseconds()}
	if s.gateway.optimistic {
		s.send(id, answer)
	}
	if err := s.write(Object{"phase": "Enrolling", "deviceId": deviceID, "gateway": s.gateway.name, "error": nil}); err != nil {
		return s.later(err)
	}
	if phase, err := s.gateway.cluster.Until(s.device, "Enrolling"); phase != "Enrolled" {
		return s.later(fmt.Errorf("the controller made it %q: %v", phase, err))
	}
	s.deviceID = deviceID
	if s.gateway.optimistic {
		return nil
	}
	return s.send(id, answer)
}

// heartbeat answers, and writes into the cluster what the device said. The first one on a link makes it Connected.
func (s *Session) heartbeat(id uint32, heartbeat Heartbeat) error {
	if s.deviceID == "" {
		known, err := s.resume(heartbeat.DeviceID)
		if err != nil {
			return err
		} else if !known {
			return s.send(id, Error{Code: "ENROLLMENT_FAILED", Message: "unknown device id: enroll again"})
		}
	}
	if heartbeat.DeviceID != s.deviceID {
		return Error{Code: "ENROLLMENT_FAILED", Message: "this is not the device's id"}
	}
	if err := s.send(id, HeartbeatAcknowledgment{time.Now().UnixMilli()}); err != nil {
		return err
	}
	metrics := Object{}
	for name := range s.metrics {
		metrics[name] = nil // a merge patch keeps what it does not name
	}
	for name, value := range heartbeat.Metrics {
		metrics[name] = value
	}
	health := "degraded"
	if heartbeat.Status == "running" && heartbeat.RuntimeStatus != "unavailable" {
		health = "healthy"
	}
	applications := []Object{}
	for name, state := range heartbeat.Applications {
		applications = append(applications, Object{"name": name, "state": state})
	}
	status := Object{"deviceStatus": capitalized(heartbeat.Status), "lastHeartbeat": now(),
		"health": health, "wasmRuntime": heartbeat.RuntimeStatus, "deviceMetrics": metrics,
		"applications": applications}
	if !s.connected {
		status["phase"], status["gateway"], status["connectedSince"] = "Connected", s.gateway.name, now()
		status["error"] = nil
	}
	if err := s.write(status); err != nil {
		log.Printf("device %s: %v", s.device, err) // the next heartbeat writes it again
		return nil
	}
	s.connected, s.metrics = true, Object{}
	for name, value := range heartbeat.Metrics {
		s.metrics[name] = value
	}
	return nil
}

// resume admits a device that enrolled on an earlier link, here or elsewhere; false if it has to enroll again.
func (s *Session) resume(deviceID string) (bool, error) {
	device, err := s.gateway.cluster.Get("devices/" + s.device)
	if err != nil && codeOf(err) != 404 {
		return false, s.later(err)
	}
	phase := text(device, "status", "phase")
	if err != nil || text(device, "status", "deviceId") != deviceID || phase == "Failed" || phase == "Enrolling" {
		return false, nil
	}
	if text(device, "spec", "publicKey") != base64.StdEncoding.EncodeToString(s.publicKey) {
		return false, Error{Code: "CERTIFICATE_INVALID", Message: "registered with another key", Action: "RENEW_CERTIFICATE"}
	}
	if err := s.claim(); err != nil {
		return false, err
	}
	s.deviceID, s.metrics = deviceID, member(device, "status", "deviceMetrics")
	return true, s.endEarlier(phase)
}

// endEarlier writes the end of the session before this one, if a gateway that is gone could not write it.
func (s *Session) endEarlier(phase string) error {
	if phase == "Connected" || phase == "Enrolled" {
		return s.write(disconnected())
	}
	return nil
}

func (s *Session) claim() error {
	if s.claimed = s.gateway.claim(s); !s.claimed {
		return Error{Code: "DUPLICATE_DEVICE", Message: s.device + " is connected", RetryAfter: min(1000, s.gateway.interval.Milliseconds())}
	}
	return nil
}

func (s *Session) later(err error) error {
	log.Printf("device %s: %v", s.device, err)
	return Error{Code: "ENROLLMENT_FAILED", Message: "not now", RetryAfter: 1000}
}

func (s *Session) write(status Object) error {
	return s.gateway.cluster.PatchStatus("devices/"+s.device, status)
}

func (s *Session) send(id uint32, message any) error {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.link.SetWriteDeadline(time.Now().Add(patience))
	return send(s.link, id, message)
}

func decode(fields cbor.RawMessage, message any) error {
	if err := decoding.Unmarshal(fields, message); err != nil {
		return Error{Code: "PROTOCOL_ERROR", Message: err.Error()}
	}
	return nil
}

func disconnected() Object {
	return Object{"phase": "Disconnected", "connectedSince": nil, "lastHeartbeat": nil, "deviceStatus": "Stopped",
		"health": "unknown", "error": "Connection lost"}
}

func capitalized(word string) string {
	return strings.ToUpper(word[:min(1, len(word))]) + word[min(1, len(word)):]
}

// member returns an object in an object, an empty one where there is none.
func member(object Object, path ...string) Object {
	for _, key := range path {
		object, _ = object[key].(Object)
	}
	return object
}

// text returns a text in an object, "" where there is none.
func text(object Object, path ...string) string {
	last := len(path) - 1
	found, _ := member(object, path[:last]...)[path[last]].(string)
	return found
}
