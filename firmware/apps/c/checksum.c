/* Publishes the CRC-32 (ISO 3309) of its first argument, in hexadecimal. */

#define IMPORT(name) __attribute__((import_module("wasmbed"), import_name(#name)))
#define EXPORT(name) __attribute__((export_name(#name)))

IMPORT(argument) int host_argument(int index, char *pointer, int capacity);
IMPORT(publish) int host_publish(const char *topic, int topic_length, const char *payload, int payload_length);

static char text[256];
static char digits[8];

static unsigned crc32(const char *data, int length) {
    unsigned crc = ~0u;
    for (int at = 0; at < length; at++) {
        crc ^= (unsigned char)data[at];
        for (int bit = 0; bit < 8; bit++)
            crc = (crc >> 1) ^ (crc & 1 ? 0xedb88320u : 0);
    }
    return ~crc;
}

EXPORT(run) void run(void) {
    int length = host_argument(0, text, sizeof text);
    if (length < 0)
        length = 0;
    if (length > (int)sizeof text)
        length = sizeof text;
    unsigned crc = crc32(text, length);
    for (int at = 0; at < 8; at++)
        digits[at] = "0123456789abcdef"[crc >> (28 - 4 * at) & 15];
    host_publish("crc32", 5, digits, sizeof digits);
}
