/* TLS 1.3 by Mbed TLS: the board's own certificate, the gateway's authority, name and dates. */
#include "board.h"
#include "identity.h"
#include "link.h"
#include "net.h"
#include <mbedtls/sha256.h>
#include <mbedtls/ssl.h>
#include <psa/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>

static mbedtls_ssl_config config;
static mbedtls_ssl_context ssl;
static mbedtls_x509_crt authorities, certificate;
static mbedtls_pk_context key;
static bool ready, failed;

/* SHA-256 over what the harness gave and a number that only grows. */
static int random_bytes(void *context, unsigned char *into, size_t length)
{
    static uint32_t drawn[2];
    (void)context;
    drawn[1] = resets();
    for (uint8_t block[32], seed[32 + sizeof drawn]; length;) {
        size_t part = length < sizeof block ? length : sizeof block;
        drawn[0]++;
        memcpy(seed, identity[ENTROPY].bytes, 32);
        memcpy(seed + 32, drawn, sizeof drawn);
        if (mbedtls_sha256(seed, sizeof seed, block, 0))
            return -1;
        memcpy(into, block, part);
        into += part;
        length -= part;
    }
    return 0;
}

psa_status_t mbedtls_psa_external_get_random(mbedtls_psa_external_random_context_t *context, uint8_t *output,
                                             size_t size, size_t *length)
{
    *length = size;
    return random_bytes(context, output, size) ? PSA_ERROR_INSUFFICIENT_ENTROPY : PSA_SUCCESS;
}

mbedtls_ms_time_t mbedtls_ms_time(void)
{
    return strtoll((char *)identity[TIME].bytes, NULL, 10) + now();
}

int _gettimeofday(struct timeval *time, void *zone)
{
    (void)zone;
    mbedtls_ms_time_t at = mbedtls_ms_time();
    *time = (struct timeval){.tv_sec = at / 1000, .tv_usec = (int)(at % 1000) * 1000};
    return 0;
}

struct tm *mbedtls_platform_gmtime_r(const mbedtls_time_t *time, struct tm *into) { return gmtime_r(time, into); }

static int put(void *context, const unsigned char *bytes, size_t length)
{
    (void)context;
    length = length < 1024 ? length : 1024;
    if (tcp_is_over())
        return MBEDTLS_ERR_SSL_CONN_EOF;
    return tcp_send(bytes, length) ? (int)length : MBEDTLS_ERR_SSL_WANT_WRITE;
}

static int get(void *context, unsigned char *into, size_t room)
{
    (void)context;
    size_t length = tcp_receive(into, room);
    if (!length)
        return tcp_is_over() ? MBEDTLS_ERR_SSL_CONN_EOF : MBEDTLS_ERR_SSL_WANT_READ;
    return (int)length;
}

/* The authorities' certificates, one after the other. One with a key of another kind than P-256 is left out. */
static bool read_authorities(void)
{
    uint8_t *at = identity[AUTHORITY].bytes, *end = at + identity[AUTHORITY].length;
    bool any = false;
    while (end - at > 4) {
        size_t length = 4 + ((size_t)at[2] << 8 | at[3]);
        if (at[0] != 0x30 || at[1] != 0x82 || length > (size_t)(end - at))
            return false;
        any |= !mbedtls_x509_crt_parse_der(&authorities, at, length);
        at += length;
    }
    return any;
}

const char *link_start(void)
{
    struct value own = identity[CERTIFICATE], secret = identity[PRIVATE_KEY];
    mbedtls_x509_crt_init(&authorities);
    mbedtls_x509_crt_init(&certificate);
    mbedtls_pk_init(&key);
    mbedtls_ssl_config_init(&config);
    mbedtls_ssl_init(&ssl);
    if (psa_crypto_init() != PSA_SUCCESS)
        return "no random numbers";
    if (!read_authorities())
        return "no authority with a P-256 key";
    if (mbedtls_x509_crt_parse_der(&certificate, own.bytes, own.length))
        return "not a certificate with a P-256 key";
    if (mbedtls_pk_parse_key(&key, secret.bytes, secret.length, NULL, 0, random_bytes, NULL))
        return "not a private key";
    mbedtls_ssl_config_defaults(&config, MBEDTLS_SSL_IS_CLIENT, MBEDTLS_SSL_TRANSPORT_STREAM,
                                MBEDTLS_SSL_PRESET_DEFAULT);
    mbedtls_ssl_conf_authmode(&config, MBEDTLS_SSL_VERIFY_REQUIRED);
    mbedtls_ssl_conf_ca_chain(&config, &authorities, NULL);
    mbedtls_ssl_conf_rng(&config, random_bytes, NULL);
    if (mbedtls_ssl_conf_own_cert(&config, &certificate, &key) || mbedtls_ssl_setup(&ssl, &config) ||
        mbedtls_ssl_set_hostname(&ssl, (char *)identity[SERVER_NAME].bytes))
        return "no memory";
    mbedtls_ssl_set_bio(&ssl, NULL, put, get, NULL);
    return NULL;
}

static bool is_under_way(int result)
{
    return result == MBEDTLS_ERR_SSL_WANT_READ || result == MBEDTLS_ERR_SSL_WANT_WRITE;
}

static void fail(const char *where, int result)
{
    printf("tls: %s: -0x%04x\n", where, (unsigned)-result);
    failed = true;
}

void link_connect(uint32_t address, uint16_t port)
{
    ready = failed = false;
    mbedtls_ssl_session_reset(&ssl);
    tcp_connect(address, port);
}

void link_poll(void)
{
    net_poll();
    if (failed && !tcp_is_over() && tcp_is_idle())
        tcp_abort(); /* the alert is sent */
    if (failed || ready || !tcp_is_open())
        return;
    int result = mbedtls_ssl_handshake(&ssl);
    ready = result == 0;
    if (ready)
        printf("tls: %s %s\n", mbedtls_ssl_get_version(&ssl), mbedtls_ssl_get_ciphersuite(&ssl));
    else if (!is_under_way(result))
        fail("handshake", result);
}

bool link_is_open(void) { return ready; }

bool link_is_over(void) { return tcp_is_over(); }

bool link_send(const void *bytes, size_t length)
{
    int result = ready ? mbedtls_ssl_write(&ssl, bytes, length) : -1;
    return result == (int)length;
}

size_t link_receive(void *into, size_t room)
{
    if (!ready || failed)
        return 0;
    int result = mbedtls_ssl_read(&ssl, into, room);
    if (result > 0)
        return (size_t)result;
    if (!is_under_way(result))
        fail("read", result);
    return 0;
}

void link_abort(void) { tcp_abort(); }
