/* A settings partition of Zephyr, read only. */
#ifndef ZEPHYR_SETTINGS_H
#define ZEPHYR_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Copy the value of a setting; returns its length, 0 if there is none or no room. */
size_t read_setting(const uint8_t *partition, size_t size, size_t sector, const char *name, uint8_t *into, size_t room);

#endif
