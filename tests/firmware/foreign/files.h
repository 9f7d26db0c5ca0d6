/* A littlefs file system in memory, read only. */
#ifndef FILES_H
#define FILES_H

#include <stddef.h>
#include <stdint.h>

/* Copy a file's content; returns its length, 0 if there is no such file or no room. */
size_t read_file(const uint8_t *image, size_t size, size_t block, const char *name, uint8_t *into, size_t room);

#endif
