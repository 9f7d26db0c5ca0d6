package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

const clusterName = "wasmbed"

// credentials are files in the server's folder, for this server only: a key that signs the server's certificate and
// ServiceAccount tokens, and the token of the one user there is.
type credentials struct {
	certificate, key, tokens string
	token                    string
	// Where the server listens; with port 0 on any free port.
	address string
}

// credentialsOf returns the credentials in a folder. In the folder of a server that was killed they are there, and
// clients have them.
func credentialsOf(folder string) (*credentials, error) {
	c := &credentials{
		certificate: filepath.Join(folder, "server.crt"),
		key:         filepath.Join(folder, "server.key"),
		tokens:      filepath.Join(folder, "tokens.csv"),
		address:     "127.0.0.1:0",
	}
	config, err := clientcmd.LoadFromFile(filepath.Join(folder, "kubeconfig"))
	if os.IsNotExist(err) {
		return c.make()
	}
	if err != nil {
		return nil, err
	}
	c.token = config.AuthInfos[clusterName].Token
	c.address = strings.TrimPrefix(config.Clusters[clusterName].Server, "https://")
	return c, nil
}

func (c *credentials) make() (*credentials, error) {
	secret := make([]byte, 16)
	rand.Read(secret)
	c.token = hex.EncodeToString(secret)
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	now := time.Now()
	template := &x509.Certificate{
		SerialNumber:          big.NewInt(now.UnixNano()),
		Subject:               pkix.Name{CommonName: "wasmbed-apiserver"},
		NotBefore:             now.Add(-time.Hour),
		NotAfter:              now.AddDate(10, 0, 0),
		IsCA:                  true,
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		DNSNames:              []string{"localhost", "kubernetes.default.svc"},
		IPAddresses:           []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	certificate, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, err
	}
	private, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return nil, err
	}
	for path, content := range map[string][]byte{
		c.certificate: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate}),
		c.key:         pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: private}),
		c.tokens:      []byte(c.token + `,wasmbed,wasmbed,"system:masters"` + "\n"),
	} {
		if err := os.WriteFile(path, content, 0o600); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// writeKubeconfig writes how the one user reaches the server; the file is there only when it is complete.
func (c *credentials) writeKubeconfig(path, address string) error {
	authority, err := os.ReadFile(c.certificate)
	if err != nil {
		return err
	}
	config := clientcmdapi.NewConfig()
	config.Clusters[clusterName] = &clientcmdapi.Cluster{Server: "https://" + address, CertificateAuthorityData: authority}
	config.AuthInfos[clusterName] = &clientcmdapi.AuthInfo{Token: c.token}
	config.Contexts[clusterName] = &clientcmdapi.Context{Cluster: clusterName, AuthInfo: clusterName}
	config.CurrentContext = clusterName
	if err := clientcmd.WriteToFile(*config, path+".new"); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}
