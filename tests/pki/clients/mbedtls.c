/* usage: mbedtls PORT; certificates and keys are in the working folder. Mbed TLS 3.6 and newer. */
#include <mbedtls/ctr_drbg.h>
#include <mbedtls/entropy.h>
#include <mbedtls/error.h>
#include <mbedtls/net_sockets.h>
#include <mbedtls/ssl.h>
#include <mbedtls/version.h>
#include <psa/crypto.h>
#include <stdio.h>
#include <stdlib.h>

#if MBEDTLS_VERSION_NUMBER < 0x03060000
#error "no TLS 1.3 by default before 3.6"
#endif

static void check(const char *what, int result) {
    char words[128];
    if (result == 0) return;
    mbedtls_strerror(result, words, sizeof words);
    printf("%s: %s\n", what, words);
    exit(1);
}

int main(int count, char **arguments) {
    mbedtls_entropy_context entropy;
    mbedtls_ctr_drbg_context random;
    mbedtls_x509_crt trust, own;
    mbedtls_pk_context key;
    mbedtls_ssl_config config;
    mbedtls_ssl_context tls;
    mbedtls_net_context net;
    unsigned char said[16];
    int size;

    if (count != 2) return 2;
    psa_crypto_init();
    mbedtls_entropy_init(&entropy);
    mbedtls_ctr_drbg_init(&random);
    check("random", mbedtls_ctr_drbg_seed(&random, mbedtls_entropy_func, &entropy, NULL, 0));
    mbedtls_x509_crt_init(&trust);
    check("trust", mbedtls_x509_crt_parse_file(&trust, "trust.pem"));
    mbedtls_x509_crt_init(&own);
    check("certificate", mbedtls_x509_crt_parse_file(&own, "cert.pem"));
    mbedtls_pk_init(&key);
    check("key", mbedtls_pk_parse_keyfile(&key, "key.pem", NULL, mbedtls_ctr_drbg_random, &random));
    mbedtls_ssl_config_init(&config);
    check("config", mbedtls_ssl_config_defaults(&config, MBEDTLS_SSL_IS_CLIENT, MBEDTLS_SSL_TRANSPORT_STREAM,
                                                MBEDTLS_SSL_PRESET_DEFAULT));
    mbedtls_ssl_conf_ca_chain(&config, &trust, NULL);
    mbedtls_ssl_conf_own_cert(&config, &own, &key);
    mbedtls_ssl_conf_rng(&config, mbedtls_ctr_drbg_random, &random);
    mbedtls_ssl_init(&tls);
    check("setup", mbedtls_ssl_setup(&tls, &config));
    check("name", mbedtls_ssl_set_hostname(&tls, "localhost"));
    mbedtls_net_init(&net);
    check("connect", mbedtls_net_connect(&net, "127.0.0.1", arguments[1], MBEDTLS_NET_PROTO_TCP));
    mbedtls_ssl_set_bio(&tls, &net, mbedtls_net_send, mbedtls_net_recv, NULL);
    check("handshake", mbedtls_ssl_handshake(&tls));
    size = mbedtls_ssl_read(&tls, said, sizeof said);
    return size > 0 && fwrite(said, size, 1, stdout) == 1 ? 0 : 1;
}
