/* No TLS: the harness speaks it for the board. */
#include "link.h"
#include "net.h"

const char *link_start(void) { return NULL; }
void link_connect(uint32_t address, uint16_t port) { tcp_connect(address, port); }
void link_poll(void) { net_poll(); }
bool link_is_open(void) { return tcp_is_open(); }
bool link_is_over(void) { return tcp_is_over(); }
bool link_send(const void *bytes, size_t length) { return tcp_send(bytes, length); }
size_t link_receive(void *into, size_t room) { return tcp_receive(into, room); }
void link_abort(void) { tcp_abort(); }
