// usage: java Client.java PORT; certificates and keys are in the working folder.
import java.io.FileInputStream;
import java.security.KeyStore;
import java.security.cert.CertificateFactory;
import javax.net.ssl.KeyManagerFactory;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLParameters;
import javax.net.ssl.SSLSocket;
import javax.net.ssl.TrustManagerFactory;

public class Client {
    public static void main(String[] arguments) throws Exception {
        KeyStore trust = KeyStore.getInstance("PKCS12");
        trust.load(null);
        var root = CertificateFactory.getInstance("X.509").generateCertificate(new FileInputStream("trust.pem"));
        trust.setCertificateEntry("root", root);
        TrustManagerFactory trusted = TrustManagerFactory.getInstance("PKIX");
        trusted.init(trust);

        char[] password = "password".toCharArray();
        KeyStore own = KeyStore.getInstance("PKCS12");
        own.load(new FileInputStream("own.p12"), password);
        KeyManagerFactory keys = KeyManagerFactory.getInstance("PKIX");
        keys.init(own, password);

        SSLContext context = SSLContext.getInstance("TLS");
        context.init(keys.getKeyManagers(), trusted.getTrustManagers(), null);
        SSLSocket socket = (SSLSocket) context.getSocketFactory().createSocket("localhost", Integer.parseInt(arguments[0]));
        SSLParameters parameters = socket.getSSLParameters();
        parameters.setEndpointIdentificationAlgorithm("HTTPS");
        socket.setSSLParameters(parameters);
        System.out.print(new String(socket.getInputStream().readAllBytes()));
    }
}
