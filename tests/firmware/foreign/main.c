/* A client of the gateway: learns its identity, enrolls, sends heartbeats, and comes back after a lost link. */
#include "board.h"
#include "cbor.h"
#include "identity.h"
#include "link.h"
#include "net.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PATIENCE = 60000 };  /* milliseconds for a connection, and for the answer to an enrollment */
enum { LONGEST = 3600000 }; /* milliseconds that a gateway can keep it away */
enum { MISSED = 3 };        /* heartbeats without an answer, after which the gateway is gone */
enum { HEARTBEAT = 0, ENROLLMENT = 1, FAILED = 2, ACKNOWLEDGMENT = 3, INFORMATION = 7, LARGEST = 4000 };

#ifndef PORTS_FROM
#define PORTS_FROM 0 /* for a test: begin at the same port after a reset */
#endif

static uint8_t nonce[32];
static uint32_t gateway;
static uint16_t gateway_port;

static char device_id[37];
static uint32_t interval = 1000, message_id;
static uint32_t asked_at; /* when the latest request was sent */
static uint32_t stay_away, stay_away_from; /* milliseconds, and from when on */
static int unanswered;  /* heartbeats in a row */
static bool was_served; /* whether a heartbeat of this link was answered */
static uint8_t received[LARGEST + 4];
static size_t received_length;

/* Why the firmware cannot start; NULL if it can. */
static const char *start(void)
{
    unsigned a, b, c, d, port;
    const char *wrong = learn();
    if (wrong || (wrong = link_start()) != NULL)
        return wrong;
    sscanf((char *)identity[ENDPOINT].bytes, "%u.%u.%u.%u:%u", &a, &b, &c, &d, &port);
    gateway = a << 24 | b << 16 | c << 8 | d;
    gateway_port = (uint16_t)port;
    memcpy(nonce, identity[ENTROPY].bytes, sizeof nonce);
    for (int i = 0; i < 4; i++) /* what it learned is the same after a reset, the nonces must not be */
        nonce[28 + i] ^= (uint8_t)(resets() >> (8 * i));
    /* Far from the ports before a reset, at which the peer may still have connections. */
    net_start(PORTS_FROM ? PORTS_FROM : (uint16_t)((nonce[30] << 8 | nonce[29]) + 512 * resets()));
    return NULL;
}

static struct writer begin(uint8_t *frame, uint32_t id, uint32_t tag, uint32_t fields)
{
    struct writer writer = {frame + 4, frame + 4 + 512};
    put_head(&writer, ARRAY, 3);
    put_head(&writer, UNSIGNED, 1);
    put_head(&writer, UNSIGNED, id);
    put_head(&writer, ARRAY, 2);
    put_head(&writer, UNSIGNED, tag);
    put_head(&writer, MAP, fields);
    return writer;
}

static void send(uint8_t *frame, struct writer writer)
{
    size_t length = (size_t)(writer.at - frame) - 4;
    for (int i = 0; i < 4; i++)
        frame[i] = (uint8_t)(length >> (8 * (3 - i)));
    if (!link_send(frame, length + 4))
        link_abort();
}

static void enroll(void)
{
    uint8_t frame[600];
    struct writer writer = begin(frame, ++message_id, ENROLLMENT, 7);
    static const char *const texts[] = {"mcu", BOARD, "armv7m"};
    for (unsigned i = 0; i < 3; i++) {
        put_head(&writer, UNSIGNED, i);
        put_text(&writer, texts[i]);
    }
    put_head(&writer, UNSIGNED, 3);
    put_head(&writer, ARRAY, 2);
    put_text(&writer, "tls");
    put_text(&writer, "cbor");
    put_head(&writer, UNSIGNED, 4);
    put_bytes(&writer, BYTES, identity[PUBLIC_KEY].bytes, identity[PUBLIC_KEY].length);
    put_head(&writer, UNSIGNED, 5);
    put_text(&writer, "foreign 1.0");
    put_head(&writer, UNSIGNED, 6);
    put_bytes(&writer, BYTES, nonce, sizeof nonce);
    asked_at = now();
    send(frame, writer);
    for (unsigned i = 0; i < sizeof nonce && !++nonce[i]; i++) /* another nonce next time */
        ;
}

static void heartbeat(void)
{
    uint8_t frame[600];
    struct writer writer = begin(frame, ++message_id, HEARTBEAT, 6);
    put_head(&writer, UNSIGNED, 0);
    put_text(&writer, device_id);
    put_head(&writer, UNSIGNED, 1);
    put_head(&writer, UNSIGNED, now());
    put_head(&writer, UNSIGNED, 2);
    put_text(&writer, "running");
    put_head(&writer, UNSIGNED, 3);
    put_head(&writer, MAP, 1);
    put_text(&writer, "uptime_ms");
    put_head(&writer, UNSIGNED, now());
    put_head(&writer, UNSIGNED, 4);
    put_text(&writer, "unavailable");
    put_head(&writer, UNSIGNED, 5);
    put_head(&writer, MAP, 0);
    asked_at = now();
    unanswered++;
    send(frame, writer);
}

static void acknowledge(uint32_t id)
{
    uint8_t frame[600];
    struct writer writer = begin(frame, id, ACKNOWLEDGMENT, 1);
    put_head(&writer, UNSIGNED, 0);
    put_text(&writer, device_id);
    send(frame, writer);
}

static void inform(uint32_t id)
{
    uint8_t frame[600];
    struct writer writer = begin(frame, id, INFORMATION, 4);
    put_head(&writer, UNSIGNED, 0);
    put_head(&writer, UNSIGNED, 1 << 20);
    put_head(&writer, UNSIGNED, 1);
    put_text(&writer, "armv7m");
    put_head(&writer, UNSIGNED, 2);
    put_head(&writer, ARRAY, 0);
    put_head(&writer, UNSIGNED, 3);
    put_head(&writer, UNSIGNED, 0);
    send(frame, writer);
}

static bool read_enrollment(struct reader *reader, uint64_t fields)
{
    const char *text;
    size_t length;
    uint64_t key, value;
    while (fields--) {
        if (!get_head(reader, UNSIGNED, &key))
            return false;
        if (key == 0) {
            if (!get_text(reader, &text, &length) || length != 36)
                return false;
            memcpy(device_id, text, 36);
        } else if (key == 3) {
            if (!get_head(reader, UNSIGNED, &value))
                return false;
            interval = (uint32_t)value;
        } else if (!skip_item(reader))
            return false;
    }
    return true;
}

static bool is(const char *text, size_t length, const char *word)
{
    return length == strlen(word) && !memcmp(text, word, length);
}

static bool read_error(struct reader *reader, uint64_t fields)
{
    const char *text, *code = "";
    size_t length, code_length = 0;
    uint64_t key, value;
    while (fields--) {
        if (!get_head(reader, UNSIGNED, &key))
            return false;
        if (key == 2) {
            if (!get_head(reader, UNSIGNED, &value))
                return false;
            stay_away = value < LONGEST ? (uint32_t)value : LONGEST;
            stay_away_from = now();
        } else if (key > 2) {
            if (!skip_item(reader))
                return false;
        } else if (!get_text(reader, &text, &length))
            return false;
        else if (key == 0)
            code = text, code_length = length;
        else
            printf("error: %.*s: %.*s\n", (int)code_length, code, (int)length, text);
    }
    if (is(code, code_length, "GATEWAY_DRAINING"))
        return true; /* the link goes on until the gateway ends it */
    if (device_id[0] && is(code, code_length, "ENROLLMENT_FAILED")) {
        device_id[0] = 0; /* the gateway does not know this id */
        enroll();
    } else
        link_abort();
    return true;
}

/* Handle one message; false if it is malformed. */
static bool handle(struct reader reader)
{
    uint64_t three, version, id, two, tag, fields;
    if (!is_one_item(reader) || !get_head(&reader, ARRAY, &three) || three != 3 || !get_head(&reader, UNSIGNED, &version) || version != 1 ||
        !get_head(&reader, UNSIGNED, &id) || !get_head(&reader, ARRAY, &two) || two != 2 ||
        !get_head(&reader, UNSIGNED, &tag) || !get_head(&reader, MAP, &fields))
        return false;
    if (tag == ENROLLMENT) {
        if (!read_enrollment(&reader, fields))
            return false;
        printf("enrolled: %s\n", device_id);
        acknowledge((uint32_t)id);
        heartbeat();
    } else if (tag == HEARTBEAT) {
        unanswered = 0;
        was_served = true;
    } else if (tag == INFORMATION)
        inform((uint32_t)id);
    else if (tag == FAILED)
        return read_error(&reader, fields);
    return true;
}

static void receive(void)
{
    received_length += link_receive(received + received_length, sizeof received - received_length);
    while (received_length >= 4) {
        size_t length = (size_t)received[0] << 24 | received[1] << 16 | received[2] << 8 | received[3];
        if (length == 0 || length > LARGEST) {
            printf("link: a frame of %u bytes\n", (unsigned)length);
            link_abort();
            return;
        }
        if (received_length < length + 4)
            return;
        if (!handle((struct reader){received + 4, received + 4 + length})) {
            printf("link: not a message\n");
            link_abort();
            return;
        }
        received_length -= length + 4;
        memmove(received, received + length + 4, received_length);
    }
}

/* Send the next heartbeat, or give up a gateway that does not answer. */
static void beat(void)
{
    if (now() - asked_at < (device_id[0] ? interval : PATIENCE))
        return;
    if (device_id[0] && unanswered < MISSED)
        heartbeat();
    else {
        printf("link: no answer\n");
        link_abort();
    }
}

static void converse(void)
{
    uint32_t began = now();
    received_length = 0;
    unanswered = 0;
    was_served = false;
    link_connect(gateway, gateway_port);
    while (!link_is_open()) {
        link_poll();
        if (link_is_over() || now() - began > PATIENCE)
            return;
        rest();
    }
    printf("link: up\n");
    stay_away = 0;
    device_id[0] ? heartbeat() : enroll();
    while (!link_is_over()) {
        link_poll();
        receive();
        beat();
        rest();
    }
    receive(); /* what came with the end */
    printf("link: down\n");
}

int main(void)
{
    setvbuf(stdout, NULL, _IOLBF, 256);
    printf("a foreign firmware\n");
    const char *wrong = start();
    if (wrong) {
        printf("cannot start: %s\n", wrong);
        return 1;
    }
    printf("ready: %s at %s\n", (char *)identity[NAME].bytes, (char *)identity[ENDPOINT].bytes);
    for (uint32_t pause = 250;; pause = pause < 4000 ? 2 * pause : pause) {
        converse();
        if (was_served)
            pause = 250;
        for (uint32_t began = now(); now() - began < pause || now() - stay_away_from < stay_away;) {
            link_poll();
            rest();
        }
    }
}
