package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"regexp"
	"strings"
	"time"
)

// Object is a JSON object.
type Object = map[string]any

// Cluster is a client of the Kubernetes API for one namespace.
type Cluster struct {
	http       *http.Client
	token, url string
	form       Form
}

// Refused is an answer of the API server that is not a success.
type Refused struct {
	Code int
	Text string
}

func (r Refused) Error() string { return fmt.Sprintf("API server: %d %s", r.Code, r.Text) }

// IsConflict tells whether the object was there already.
func IsConflict(err error) bool { return codeOf(err) == http.StatusConflict }

func codeOf(err error) int {
	var refused Refused
	errors.As(err, &refused)
	return refused.Code
}

// NewCluster reads a kubeconfig with a token. The standard library reads no YAML; these four lines need none.
func NewCluster(kubeconfig string, form Form) (*Cluster, error) {
	text, err := os.ReadFile(kubeconfig)
	if err != nil {
		return nil, err
	}
	value := func(key string) string {
		found := regexp.MustCompile(`(?m)^[\s-]*` + key + `:\s*["']?([^"'\s]+)`).FindSubmatch(text)
		if found == nil {
			return ""
		}
		return string(found[1])
	}
	pem, err := base64.StdEncoding.DecodeString(value("certificate-authority-data"))
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}, MaxIdleConnsPerHost: 32}
	return &Cluster{http: &http.Client{Transport: transport}, token: value("token"), form: form,
		url: value("server") + "/apis/" + form.API + "/namespaces/" + value("namespace") + "/"}, nil
}

func (c *Cluster) ask(ctx context.Context, method, path string, body any) (*http.Response, error) {
	text, err := json.Marshal(c.form.outward(body))
	if err != nil {
		return nil, err
	}
	request, err := http.NewRequestWithContext(ctx, method, c.url+c.form.path(path), bytes.NewReader(text))
	if err != nil {
		return nil, err
	}
	request.Header.Set("Authorization", "Bearer "+c.token)
	request.Header.Set("Content-Type", "application/json")
	if method == "PATCH" {
		request.Header.Set("Content-Type", "application/merge-patch+json")
	}
	answer, err := c.http.Do(request)
	if err == nil && answer.StatusCode >= 300 {
		defer answer.Body.Close()
		text, _ := io.ReadAll(io.LimitReader(answer.Body, 4096))
		return nil, Refused{answer.StatusCode, string(text)}
	}
	return answer, err
}

func (c *Cluster) call(method, path string, body any) (object Object, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	answer, err := c.ask(ctx, method, path, body)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	err = json.NewDecoder(answer.Body).Decode(&object)
	return c.form.inward(object), err
}

// Get returns an object.
func (c *Cluster) Get(path string) (Object, error) { return c.call("GET", path, nil) }

// Create makes an object.
func (c *Cluster) Create(kind, name string, spec Object) error {
	_, err := c.call("POST", strings.ToLower(kind)+"s", Object{"apiVersion": c.form.API, "kind": or(c.form.Kinds[kind], kind),
		"metadata": Object{"name": name}, "spec": spec})
	return err
}

// Patch merges a patch into an object.
func (c *Cluster) Patch(path string, patch Object) (Object, error) {
	return c.call("PATCH", path, patch)
}

// PatchStatus merges values into an object's status.
func (c *Cluster) PatchStatus(path string, status Object) error {
	_, err := c.Patch(path+"/status", Object{"status": status})
	return err
}

// Until watches a Device until its phase is another than the given one, and returns the new one.
func (c *Cluster) Until(device, notPhase string) (phase string, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	answer, err := c.ask(ctx, "GET", "devices?watch=true&fieldSelector=metadata.name="+device, nil)
	if err != nil {
		return "", err
	}
	defer answer.Body.Close()
	for events := json.NewDecoder(answer.Body); ; {
		var event struct {
			Type   string
			Object Object
		}
		if err := events.Decode(&event); err != nil {
			return "", err
		}
		if phase := text(c.form.inward(event.Object), "status", "phase"); event.Type == "DELETED" || (phase != notPhase && phase != "Pending") {
			return phase, nil
		}
	}
}
