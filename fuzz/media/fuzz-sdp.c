/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Offers from hostile clients: what the validator lets through must be readable by GStreamer and
 * have the number of m-lines it says. The same text is also taken as an answer to complete.
 */
#include <gst/sdp/sdp.h>
#include <stdint.h>
#include <stdlib.h>

#include "media/scope-sdp.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(ScopeSdpOffer) offer = scope_sdp_offer_parse(
        (const char *)data, size, SCOPE_VIDEO_CODEC_VP8, SCOPE_PEER_MAX_TRACKS, &error);
    if ((offer == NULL) != (error != NULL)) {
        abort();
    }
    if (offer != NULL) {
        GstSDPMessage *message = NULL;
        if (gst_sdp_message_new_from_text(offer->reduced, &message) != GST_SDP_OK ||
            gst_sdp_message_medias_len(message) != offer->n_media) {
            abort();
        }
        gst_sdp_message_free(message);
        g_autofree char *text = g_strndup((const char *)data, size);
        g_free(scope_sdp_answer_complete(text, offer, NULL));
    }
    return 0;
}
