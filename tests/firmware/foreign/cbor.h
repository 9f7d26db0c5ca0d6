/* As much of CBOR (RFC 8949) as the messages need. */
#ifndef CBOR_H
#define CBOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum cbor_type { UNSIGNED, NEGATIVE, BYTES, TEXT, ARRAY, MAP, TAG, SIMPLE };

struct writer {
    uint8_t *at, *end;
};
void put_head(struct writer *writer, enum cbor_type type, uint64_t value);
void put_bytes(struct writer *writer, enum cbor_type type, const void *bytes, size_t length);
void put_text(struct writer *writer, const char *text);

struct reader {
    const uint8_t *at, *end;
};
/* Read the head of an item; false unless it is of that type and complete. */
bool get_head(struct reader *reader, enum cbor_type type, uint64_t *value);
/* Read a text; `text` is not ended by a zero. */
bool get_text(struct reader *reader, const char **text, size_t *length);
/* Skip one item and what is in it. */
bool skip_item(struct reader *reader);
/* Whether there is one item in deterministic encoding (RFC 8949, section 4.2), and nothing behind it. */
bool is_one_item(struct reader reader);

#endif
