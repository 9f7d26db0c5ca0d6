/* usage: wolfssl PORT; certificates and keys are in the working folder. */
#include <wolfssl/options.h>
#include <wolfssl/ssl.h>

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

int main(int count, char **arguments) {
    if (count != 2) return 2;
    wolfSSL_Init();
    WOLFSSL_CTX *context = wolfSSL_CTX_new(wolfTLSv1_3_client_method());
    if (wolfSSL_CTX_load_verify_locations(context, "trust.pem", NULL) != WOLFSSL_SUCCESS) return 3;
    if (wolfSSL_CTX_use_certificate_file(context, "cert.pem", WOLFSSL_FILETYPE_PEM) != WOLFSSL_SUCCESS) return 4;
    if (wolfSSL_CTX_use_PrivateKey_file(context, "key.pem", WOLFSSL_FILETYPE_PEM) != WOLFSSL_SUCCESS) return 5;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(atoi(arguments[1]))};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int descriptor = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(descriptor, (struct sockaddr *)&address, sizeof address)) return 6;
    WOLFSSL *tls = wolfSSL_new(context);
    wolfSSL_set_fd(tls, descriptor);
    wolfSSL_check_domain_name(tls, "localhost");
    if (wolfSSL_connect(tls) != WOLFSSL_SUCCESS) {
        char words[WOLFSSL_MAX_ERROR_SZ];
        puts(wolfSSL_ERR_error_string(wolfSSL_get_error(tls, 0), words));
        return 1;
    }
    char said[16];
    int size = wolfSSL_read(tls, said, sizeof said);
    return size > 0 && fwrite(said, size, 1, stdout) == 1 ? 0 : 1;
}
