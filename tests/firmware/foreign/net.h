/* One TCP connection at a time over IPv4, from 10.0.2.15. */
#ifndef NET_H
#define NET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* `seed`: other ones after each reset, so that the first port is not that of a connection which the peer still has. */
void net_start(uint16_t seed);
/* Begin to connect; whatever was open is forgotten. */
void tcp_connect(uint32_t address, uint16_t port);
/* Handle frames that came, and send again what was lost. */
void net_poll(void);
bool tcp_is_open(void);
/* The connection ended, or never came up. */
bool tcp_is_over(void);
/* Queue bytes; false if there is no room. */
bool tcp_send(const void *bytes, size_t length);
/* Take up to `room` bytes that came. */
size_t tcp_receive(void *into, size_t room);
/* All that was sent has arrived. */
bool tcp_is_idle(void);
void tcp_abort(void);

#endif
