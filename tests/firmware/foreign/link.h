/* A connection to the gateway: `plain.c` without TLS, `tls.c` with it. */
#ifndef LINK_H
#define LINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Once, after the identity is known; NULL, or what is wrong. */
const char *link_start(void);
/* Begin to connect; whatever was open is forgotten. */
void link_connect(uint32_t address, uint16_t port);
void link_poll(void);
/* Bytes can be sent. */
bool link_is_open(void);
bool link_is_over(void);
/* Send bytes; false if there is no room. */
bool link_send(const void *bytes, size_t length);
/* Take up to `room` bytes that came. */
size_t link_receive(void *into, size_t room);
void link_abort(void);

#endif
