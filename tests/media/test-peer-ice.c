/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Gathering with a STUN server that does not answer, and with one that does again. The server is a
 * socket of the test on the machine's own address.
 */
#include <string.h>

#include <gio/gio.h>

#include "media/scope-media.h"
#include "peer-fixture.h"

/* A peer that waits for a silent server waits for longer than this, however fast the machine is. */
#define WAIT_US (500 * 1000)
/* A busy machine may hold up one answer, not all. */
#define N_TRIES 8

#define STUN_HEADER_BYTES 20
#define MAPPED_ADDRESS    "203.0.113.7"

typedef struct {
    GSocket *socket;
    GSource *source;
    char *url;
} Stun;

/* Answers a binding request, in the form of RFC 3489, which webrtcbin's agent speaks: the client is
 * seen at MAPPED_ADDRESS, port 5000. */
static gboolean
on_request(GSocket *socket, GIOCondition condition, gpointer user_data)
{
    static const guint8 mapped[] = {0x00, 0x01, 0, 8, 0, 1, 0x13, 0x88, 203, 0, 113, 7};
    g_autoptr(GSocketAddress) from = NULL;
    guint8 packet[512];
    gssize n_bytes =
        g_socket_receive_from(socket, &from, (char *)packet, sizeof packet, NULL, NULL);

    if (n_bytes >= STUN_HEADER_BYTES && packet[0] == 0 && packet[1] == 1) {
        packet[0] = 1;
        packet[2] = 0;
        packet[3] = sizeof mapped;
        memcpy(packet + STUN_HEADER_BYTES, mapped, sizeof mapped);
        g_socket_send_to(socket, from, (const char *)packet, STUN_HEADER_BYTES + sizeof mapped,
                         NULL, NULL);
    }
    return G_SOURCE_CONTINUE;
}

static void
stun_init(Stun *stun, const char *address)
{
    g_autoptr(GInetAddress) own = g_inet_address_new_from_string(address);
    g_autoptr(GSocketAddress) any_port = g_inet_socket_address_new(own, 0);
    g_autoptr(GSocketAddress) bound = NULL;
    g_autoptr(GError) error = NULL;

    *stun = (Stun){.socket = g_socket_new(G_SOCKET_FAMILY_IPV4, G_SOCKET_TYPE_DATAGRAM,
                                          G_SOCKET_PROTOCOL_UDP, &error)};
    g_assert_no_error(error);
    g_socket_bind(stun->socket, any_port, FALSE, &error);
    g_assert_no_error(error);
    bound = g_socket_get_local_address(stun->socket, &error);
    g_assert_no_error(error);
    stun->url = g_strdup_printf("stun:%s:%u", address,
                                g_inet_socket_address_get_port(G_INET_SOCKET_ADDRESS(bound)));
}

static void
stun_answer_from_now_on(Stun *stun)
{
    stun->source = g_socket_create_source(stun->socket, G_IO_IN, NULL);
    g_source_set_callback(stun->source, G_SOURCE_FUNC(on_request), NULL, NULL);
    g_source_attach(stun->source, NULL);
}

static void
stun_clear(Stun *stun)
{
    g_source_destroy(stun->source);
    g_source_unref(stun->source);
    g_object_unref(stun->socket);
    g_free(stun->url);
}

/* Makes a peer that is not pinned to an address; returns how long its answer took. */
static gint64
answer_offer(const Stun *stun, char **ret_answer)
{
    const char *urls[] = {stun ? stun->url : NULL, NULL};
    ScopeIceServer server = {.urls = urls};
    ScopePeerOptions options = SCOPE_PEER_OPTIONS_INIT;
    RtcClientOptions client = {.video = {{"recvonly", SCOPE_VIDEO_CODEC_VP8}}};
    gint64 start_us;

    options.ice_servers = &server;
    options.n_ice_servers = stun ? 1 : 0;
    PeerFixture *f = peer_fixture_new(&options, &client);
    g_autofree char *offer = rtc_client_create_offer(f->client, 0);
    start_us = g_get_monotonic_time();
    peer_fixture_offer(f, offer);
    start_us = g_get_monotonic_time() - start_us;
    g_assert_no_error(f->error);
    *ret_answer = g_steal_pointer(&f->answer);
    peer_fixture_free(f);
    return start_us;
}

/* The IPv4 address of the machine's first interface; NULL where there is none. */
static char *
dup_own_address(void)
{
    g_autofree char *answer = NULL;
    g_autoptr(GRegex) host = g_regex_new("([0-9.]+) [0-9]+ typ host", 0, 0, NULL);
    g_autoptr(GMatchInfo) match = NULL;

    answer_offer(NULL, &answer);
    return g_regex_match(host, answer, 0, &match) ? g_match_info_fetch(match, 1) : NULL;
}

static void
test_silent_stun(void)
{
    g_autofree char *address = dup_own_address();
    g_autofree char *first = NULL;
    gboolean is_prompt = FALSE, is_used = FALSE;
    Stun stun;

    if (address == NULL) {
        g_test_skip("this machine has no network interface but loopback");
        return;
    }
    stun_init(&stun, address);
    g_assert_cmpint(answer_offer(&stun, &first), >, WAIT_US);
    for (guint i = 0; i < N_TRIES && !is_prompt; i++) {
        g_autofree char *answer = NULL;
        is_prompt = answer_offer(&stun, &answer) < WAIT_US;
        g_assert_nonnull(strstr(answer, " typ host"));
        g_assert_nonnull(strstr(answer, "a=end-of-candidates"));
    }
    g_assert_true(is_prompt);

    stun_answer_from_now_on(&stun);
    for (guint i = 0; i < N_TRIES && !is_used; i++) {
        g_autofree char *answer = NULL;
        answer_offer(&stun, &answer);
        is_used = strstr(answer, MAPPED_ADDRESS) != NULL;
    }
    g_assert_true(is_used);
    stun_clear(&stun);
}

int
main(int argc, char **argv)
{
    g_autoptr(GError) error = NULL;

    g_test_init(&argc, &argv, NULL);
    scope_media_init(&error);
    g_assert_no_error(error);
    g_test_add_func("/peer/ice/silent-stun", test_silent_stun);
    int status = g_test_run();
    scope_media_shut_down();
    return status;
}
