// usage: client PORT; certificates and keys are in the working folder.
package main

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"log"
	"os"
)

func main() {
	trust, err := os.ReadFile("trust.pem")
	if err != nil {
		log.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(trust)
	own, err := tls.LoadX509KeyPair("cert.pem", "key.pem")
	if err != nil {
		log.Fatal(err)
	}
	config := tls.Config{RootCAs: roots, Certificates: []tls.Certificate{own}, ServerName: "localhost"}
	connection, err := tls.Dial("tcp", "127.0.0.1:"+os.Args[1], &config)
	if err != nil {
		log.Fatal(err)
	}
	said, err := io.ReadAll(connection)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Print(string(said))
}
