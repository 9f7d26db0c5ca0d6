/* ARP, IPv4 and TCP (RFC 826, 791, 9293), as much as a client on an emulator's network needs: no fragments, no options,
 * no segments out of order, one segment under way. */
#include "net.h"
#include "board.h"
#include <string.h>

enum { FIN = 1, SYN = 2, RST = 4, PSH = 8, ACK = 16 };
enum { SEGMENT = 1024, ROOM = 4096, AGAIN = 500 };
enum state { CLOSED, RESOLVING, SYN_SENT, OPEN, OVER };

#define OWN 0x0A00020Fu /* 10.0.2.15 */

static uint8_t own_mac[6], peer_mac[6];
static uint8_t frame[1536], reply[1536];

static enum state state;
static uint32_t peer;
static uint16_t peer_port, own_port = 49152;
static uint32_t acknowledged, next, expected; /* our oldest unacknowledged byte, our next one, the peer's next one */
static uint32_t sent_at;
static uint8_t outgoing[ROOM], incoming[ROOM];
static size_t queued, under_way, arrived;

static void put16(uint8_t *at, uint32_t value) { at[0] = (uint8_t)(value >> 8); at[1] = (uint8_t)value; }
static void put32(uint8_t *at, uint32_t value) { put16(at, value >> 16); put16(at + 2, value); }
static uint32_t get16(const uint8_t *at) { return (uint32_t)at[0] << 8 | at[1]; }
static uint32_t get32(const uint8_t *at) { return get16(at) << 16 | get16(at + 2); }

static uint32_t add(uint32_t sum, const uint8_t *bytes, size_t length)
{
    for (size_t i = 0; i < length; i++)
        sum += i & 1 ? bytes[i] : (uint32_t)bytes[i] << 8;
    return sum;
}

static uint16_t checksum(uint32_t sum)
{
    while (sum >> 16)
        sum = (sum & 0xFFFF) + (sum >> 16);
    return (uint16_t)~sum;
}

static void arp(uint32_t operation, const uint8_t *to, uint32_t address)
{
    memset(reply, 0, 60);
    memcpy(reply, to, 6);
    memcpy(reply + 6, own_mac, 6);
    memcpy(reply + 12, "\x08\x06\x00\x01\x08\x00\x06\x04", 8);
    put16(reply + 20, operation);
    memcpy(reply + 22, own_mac, 6);
    put32(reply + 28, OWN);
    if (operation == 2)
        memcpy(reply + 32, to, 6);
    put32(reply + 38, address);
    ethernet_send(reply, 60);
}

static void segment(uint8_t flags, uint32_t sequence, const uint8_t *bytes, size_t length)
{
    uint8_t *ip = reply + 14, *tcp = ip + 20;
    memset(reply, 0, 54);
    memcpy(reply, peer_mac, 6);
    memcpy(reply + 6, own_mac, 6);
    put16(reply + 12, 0x0800);
    ip[0] = 0x45;
    put16(ip + 2, 40 + length);
    ip[8] = 64;
    ip[9] = 6;
    put32(ip + 12, OWN);
    put32(ip + 16, peer);
    put16(ip + 10, checksum(add(0, ip, 20)));
    put16(tcp, own_port);
    put16(tcp + 2, peer_port);
    put32(tcp + 4, sequence);
    put32(tcp + 8, flags & ACK ? expected : 0);
    tcp[12] = 0x50;
    tcp[13] = flags;
    put16(tcp + 14, ROOM - arrived);
    memcpy(tcp + 20, bytes, length);
    put16(tcp + 16, checksum(add(add(6 + 20 + length, ip + 12, 8), tcp, 20 + length)));
    ethernet_send(reply, 54 + length < 60 ? 60 : 54 + length);
    sent_at = now();
}

static void send_queued(void)
{
    if (state != OPEN || !queued)
        return;
    under_way = queued < SEGMENT ? queued : SEGMENT;
    next = acknowledged + under_way;
    segment(ACK | PSH, acknowledged, outgoing, under_way);
}

static void handle_tcp(const uint8_t *ip, size_t length)
{
    size_t header = (ip[0] & 15u) * 4, total = get16(ip + 2);
    const uint8_t *tcp = ip + header;
    if (total > length || total < header + 20 || get32(ip + 12) != peer || get16(tcp) != peer_port ||
        get16(tcp + 2) != own_port || state < SYN_SENT || state == OVER)
        return;
    size_t offset = (tcp[12] >> 4) * 4u;
    if (offset < 20 || header + offset > total)
        return;
    uint32_t sequence = get32(tcp + 4), acknowledges = get32(tcp + 8);
    size_t payload = total - header - offset;
    uint8_t flags = tcp[13];
    if (flags & RST) {
        state = OVER;
        return;
    }
    if (state == SYN_SENT) {
        if (flags & ACK && acknowledges != next) // of a connection from before a reset: RFC 9293, section 3.5.1
            segment(RST, acknowledges, NULL, 0);
        if ((flags & (SYN | ACK)) != (SYN | ACK) || acknowledges != next)
            return;
        expected = sequence + 1;
        acknowledged = acknowledges;
        state = OPEN;
        segment(ACK, next, NULL, 0);
        return;
    }
    if (flags & ACK && under_way && acknowledges - acknowledged <= under_way) {
        size_t done = acknowledges - acknowledged;
        queued -= done;
        memmove(outgoing, outgoing + done, queued);
        acknowledged = acknowledges;
        under_way -= done;
        if (!under_way)
            send_queued();
    }
    if (!payload && !(flags & FIN))
        return;
    if (sequence == expected && payload <= ROOM - arrived) {
        memcpy(incoming + arrived, tcp + offset, payload);
        arrived += payload;
        expected += payload;
        if (flags & FIN) {
            expected++;
            segment(ACK | FIN, next, NULL, 0);
            state = OVER;
            return;
        }
    }
    segment(ACK, next, NULL, 0);
}

void net_poll(void)
{
    for (size_t length; (length = ethernet_receive(frame)) != 0;) {
        if (length < 34)
            continue;
        uint32_t kind = get16(frame + 12);
        if (kind == 0x0806 && length >= 42 && get32(frame + 38) == OWN) {
            if (get16(frame + 20) == 1)
                arp(2, frame + 22, get32(frame + 28));
            else if (state == RESOLVING && get32(frame + 28) == peer) {
                memcpy(peer_mac, frame + 22, 6);
                state = SYN_SENT;
                segment(SYN, acknowledged, NULL, 0);
            }
        } else if (kind == 0x0800 && frame[23] == 6 && get32(frame + 30) == OWN)
            handle_tcp(frame + 14, length - 14);
    }
    if (now() - sent_at < AGAIN)
        return;
    if (state == RESOLVING) {
        sent_at = now();
        arp(1, (const uint8_t *)"\xFF\xFF\xFF\xFF\xFF\xFF", peer);
    } else if (state == SYN_SENT)
        segment(SYN, acknowledged, NULL, 0);
    else if (state == OPEN && under_way)
        segment(ACK | PSH, acknowledged, outgoing, under_way);
}

void net_start(uint16_t seed)
{
    own_port += seed & 0x3FFF;
    ethernet_start(own_mac);
}

void tcp_connect(uint32_t address, uint16_t port)
{
    queued = under_way = arrived = 0;
    peer = address;
    peer_port = port;
    own_port = own_port == 65535 ? 49152 : own_port + 1;
    acknowledged = now() * 250;
    next = acknowledged + 1;
    state = RESOLVING;
    sent_at = now();
    arp(1, (const uint8_t *)"\xFF\xFF\xFF\xFF\xFF\xFF", peer);
}

bool tcp_is_open(void) { return state == OPEN; }
bool tcp_is_over(void) { return state == OVER || state == CLOSED; }

bool tcp_send(const void *bytes, size_t length)
{
    if (state != OPEN || length > ROOM - queued)
        return false;
    memcpy(outgoing + queued, bytes, length);
    queued += length;
    if (!under_way)
        send_queued();
    return true;
}

size_t tcp_receive(void *into, size_t room)
{
    size_t length = arrived < room ? arrived : room;
    memcpy(into, incoming, length);
    arrived -= length;
    memmove(incoming, incoming + length, arrived);
    return length;
}

bool tcp_is_idle(void) { return !queued; }

void tcp_abort(void)
{
    if (state == OPEN)
        segment(ACK | RST, next, NULL, 0);
    state = OVER;
}
