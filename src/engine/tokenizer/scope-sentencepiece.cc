/* SPDX-License-Identifier: Apache-2.0 */
/* The shim over libsentencepiece: every call is wrapped, no C++ type or exception leaves this file.
 * Owns the processor. Any thread. */
#include "engine/tokenizer/scope-sentencepiece.h"

#include <sentencepiece_processor.h>

#include <cstdio>
#include <exception>
#include <memory>
#include <string>
#include <vector>

struct _ScopeSentencePiece {
    sentencepiece::SentencePieceProcessor processor;
};

ScopeSentencePiece *
scope_sentencepiece_load(const void *bytes, size_t n_bytes, char *ret_problem, size_t n_problem)
{
    try {
        auto model = std::make_unique<ScopeSentencePiece>();
        const auto status = model->processor.LoadFromSerializedProto(
            absl::string_view(static_cast<const char *>(bytes), n_bytes));
        if (status.ok()) {
            return model.release();
        }
        std::snprintf(ret_problem, n_problem, "%s", status.error_message());
    } catch (const std::exception &problem) {
        std::snprintf(ret_problem, n_problem, "%s", problem.what());
    }
    return nullptr;
}

void
scope_sentencepiece_free(ScopeSentencePiece *model)
{
    delete model;
}

int
scope_sentencepiece_encode(const ScopeSentencePiece *model, const char *text, size_t n_text,
                           void (*emit)(int32_t id, void *user_data), void *user_data)
{
    try {
        std::vector<int> ids;
        if (!model->processor.Encode(absl::string_view(text, n_text), &ids).ok()) {
            return -1;
        }
        for (const int id : ids) {
            emit(id, user_data);
        }
        return 0;
    } catch (const std::exception &) {
        return -1;
    }
}

int32_t
scope_sentencepiece_get_n_pieces(const ScopeSentencePiece *model)
{
    return model->processor.GetPieceSize();
}

int32_t
scope_sentencepiece_get_eos_id(const ScopeSentencePiece *model)
{
    return model->processor.eos_id();
}

int32_t
scope_sentencepiece_get_pad_id(const ScopeSentencePiece *model)
{
    return model->processor.pad_id();
}
