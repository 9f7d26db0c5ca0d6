#include "identity.h"
#include "board.h"
#include <stdio.h>
#include <string.h>

enum { ROOM = 8 * ROOM_FOR_A_VALUE };

struct value identity[FIELDS];
static uint8_t room[ROOM];

static const char *check(void)
{
    unsigned a, b, c, d, port;
    for (int field = 0; field < NEEDED; field++)
        if (!identity[field].length)
            return "a value is missing";
    if (sscanf((char *)identity[ENDPOINT].bytes, "%u.%u.%u.%u:%u", &a, &b, &c, &d, &port) != 5)
        return "the endpoint is not HOST:PORT";
    return identity[ENTROPY].length == 32 ? NULL : "the entropy has not 32 bytes";
}

#if defined(SETTINGS) || defined(FILES)

#ifdef SETTINGS
#include "zephyr_settings.h"
static size_t read_value(const char *name, uint8_t *into, size_t size)
{
    char whole[40];
    snprintf(whole, sizeof whole, "wasmbed/%s", name);
    return read_setting((const uint8_t *)SETTINGS, PARTITION, SECTOR, whole, into, size);
}
#else
#include "files.h"
#define read_value(name, into, size) read_file((const uint8_t *)FILES, PARTITION, SECTOR, name, into, size)
#endif

const char *learn(void)
{
    static const char *const names[FIELDS] = {"endpoint",    "name",      "public_key",  "entropy",    "time",
                                              "server_name", "authority", "certificate", "private_key"};
    uint8_t *at = room;
    for (int field = 0; field < NEEDED; field++) {
        size_t length = read_value(names[field], at, (size_t)(room + ROOM - at) - 1);
        identity[field] = (struct value){at, length};
        at += length + 1;
    }
    return check();
}

#else

static uint8_t nibble(char digit) { return (uint8_t)(digit <= '9' ? digit - '0' : digit - 'a' + 10); }

/* Split the words at spaces, and read what is hexadecimal, in place. */
static const char *split(size_t length)
{
    room[length] = 0;
    uint8_t *at = room, *end = room + length;
    for (int field = 0; field < FIELDS && at < end; field++) {
        uint8_t *stop = memchr(at, ' ', (size_t)(end - at));
        stop = stop ? stop : end;
        *stop = 0;
        identity[field] = (struct value){at, (size_t)(stop - at)};
        if (field == PUBLIC_KEY || field == ENTROPY || field >= AUTHORITY) {
            size_t bytes = identity[field].length /= 2;
            for (size_t i = 0; i < bytes; i++)
                at[i] = (uint8_t)(nibble((char)at[2 * i]) << 4 | nibble((char)at[2 * i + 1]));
        }
        at = stop + 1;
    }
    return check();
}

#ifdef COMPILED_IN
const char *learn(void)
{
    strcpy((char *)room, COMPILED_IN);
    return split(strlen(COMPILED_IN));
}
#else
const char *learn(void)
{
    uint32_t length = REGISTER(WORDS);
    if (length == 0 || length >= ROOM)
        return "no words";
    memcpy(room, (const void *)(WORDS + 4), length);
    return split(length);
}
#endif
#endif
