#include "cbor.h"
#include <string.h>

static void put(struct writer *writer, uint8_t byte)
{
    if (writer->at < writer->end)
        *writer->at++ = byte;
}

void put_head(struct writer *writer, enum cbor_type type, uint64_t value)
{
    uint8_t major = (uint8_t)(type << 5);
    int bytes = value < 24 ? 0 : value < 256 ? 1 : value < 65536 ? 2 : value >> 32 ? 8 : 4;
    if (!bytes)
        put(writer, major | (uint8_t)value);
    else
        put(writer, major | (bytes == 1 ? 24 : bytes == 2 ? 25 : bytes == 4 ? 26 : 27));
    while (bytes--)
        put(writer, (uint8_t)(value >> (8 * bytes)));
}

void put_bytes(struct writer *writer, enum cbor_type type, const void *bytes, size_t length)
{
    put_head(writer, type, length);
    for (size_t i = 0; i < length; i++)
        put(writer, ((const uint8_t *)bytes)[i]);
}

void put_text(struct writer *writer, const char *text) { put_bytes(writer, TEXT, text, strlen(text)); }

static bool any_head(struct reader *reader, enum cbor_type *type, uint64_t *value)
{
    if (reader->at == reader->end)
        return false;
    uint8_t first = *reader->at++;
    int more = (first & 31) < 24 ? 0 : (first & 31) > 27 ? -1 : 1 << ((first & 31) - 24), bytes = more;
    if (more < 0 || reader->end - reader->at < more)
        return false;
    *type = (enum cbor_type)(first >> 5);
    *value = more ? 0 : first & 31;
    while (more--)
        *value = *value << 8 | *reader->at++;
    return *type == SIMPLE || !bytes || *value >= (bytes == 1 ? 24 : 1ull << 4 * bytes); /* the shortest */
}

bool get_head(struct reader *reader, enum cbor_type type, uint64_t *value)
{
    enum cbor_type found;
    return any_head(reader, &found, value) && found == type;
}

bool get_text(struct reader *reader, const char **text, size_t *length)
{
    uint64_t size;
    if (!get_head(reader, TEXT, &size) || size > (uint64_t)(reader->end - reader->at))
        return false;
    *text = (const char *)reader->at;
    *length = (size_t)size;
    reader->at += size;
    return true;
}

static bool skip(struct reader *reader, int depth);

/* Skip the entries of a map: the keys' bytes ascend. */
static bool skip_entries(struct reader *reader, int depth, uint64_t entries)
{
    struct reader last = {NULL, NULL};
    while (entries--) {
        struct reader key = *reader;
        if (!skip(reader, depth))
            return false;
        key.end = reader->at;
        size_t length = (size_t)(key.end - key.at), before = (size_t)(last.end - last.at);
        if (last.at) {
            int order = memcmp(last.at, key.at, before < length ? before : length);
            if (order > 0 || (order == 0 && before >= length))
                return false;
        }
        last = key;
        if (!skip(reader, depth))
            return false;
    }
    return true;
}

static bool skip(struct reader *reader, int depth)
{
    enum cbor_type type;
    uint64_t value;
    if (depth > 8 || !any_head(reader, &type, &value))
        return false;
    if (type == BYTES || type == TEXT) {
        if (value > (uint64_t)(reader->end - reader->at))
            return false;
        reader->at += value;
    } else if (type == MAP) {
        return skip_entries(reader, depth + 1, value);
    } else if (type == ARRAY || type == TAG) {
        for (uint64_t items = type == TAG ? 1 : value; items; items--)
            if (!skip(reader, depth + 1))
                return false;
    }
    return true;
}

bool skip_item(struct reader *reader) { return skip(reader, 0); }

bool is_one_item(struct reader reader) { return skip(&reader, 0) && reader.at == reader.end; }
