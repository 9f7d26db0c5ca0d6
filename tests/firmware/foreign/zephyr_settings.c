/* Reads a settings partition of Zephyr's NVS back end. */
#include "zephyr_settings.h"
#include <string.h>

enum { ENTRY = 8, NAMES = 0x8000, VALUES = 0x4000 };

struct entry {
    uint16_t id, offset, length;
    uint8_t part, crc;
};

static bool is_valid(const struct entry *entry)
{
    uint8_t crc = 0xFF;
    for (int i = 0; i < 7; i++) {
        crc ^= ((const uint8_t *)entry)[i];
        for (int bit = 0; bit < 8; bit++)
            crc = (uint8_t)(crc & 0x80 ? crc << 1 ^ 7 : crc << 1);
    }
    return crc == entry->crc;
}

/* The newest record of that id, or of that content if `content` is given; NULL if there is none. */
static const uint8_t *find(const uint8_t *partition, size_t size, size_t sector, const char *content, uint16_t *id,
                           size_t *length)
{
    const uint8_t *found = NULL;
    for (size_t begin = 0; begin < size; begin += sector)
        for (size_t at = sector - 2 * ENTRY; at; at -= ENTRY) {
            const struct entry *entry = (const struct entry *)(partition + begin + at);
            if (!is_valid(entry))
                break;
            const uint8_t *data = partition + begin + entry->offset;
            bool is_name = entry->id > NAMES && entry->id < NAMES + VALUES;
            if (content ? is_name && entry->length == strlen(content) && !memcmp(data, content, entry->length)
                        : entry->id == *id) {
                found = data;
                *id = entry->id;
                *length = entry->length;
            }
        }
    return found;
}

size_t read_setting(const uint8_t *partition, size_t size, size_t sector, const char *name, uint8_t *into, size_t room)
{
    uint16_t id;
    size_t length;
    if (!find(partition, size, sector, name, &id, &length))
        return 0;
    id += VALUES;
    const uint8_t *value = find(partition, size, sector, NULL, &id, &length);
    if (!value || length > room)
        return 0;
    memcpy(into, value, length);
    return length;
}
