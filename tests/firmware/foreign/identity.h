/* What the harness tells the firmware. It comes from one of four places, chosen when it is built. */
#ifndef IDENTITY_H
#define IDENTITY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum field { ENDPOINT, NAME, PUBLIC_KEY, ENTROPY, TIME, SERVER_NAME, AUTHORITY, CERTIFICATE, PRIVATE_KEY, FIELDS };

struct value {
    uint8_t *bytes; /* followed by a zero */
    size_t length;
};

/* Its values. A build without TLS needs only those up to ENTROPY. */
extern struct value identity[FIELDS];

/* Read the values; NULL, or what is wrong. */
const char *learn(void);

#endif
