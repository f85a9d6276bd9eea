/* SPDX-License-Identifier: Apache-2.0 */
/* Holds replies against docs/openapi.json: a small validator of the parts of JSON Schema it uses.
 */
#ifndef CONTRACT_CHECK_H
#define CONTRACT_CHECK_H

#include <json-glib/json-glib.h>

/** contract_get_document: (transfer none): the document as served by the program. */
JsonObject *contract_get_document(void);

/**
 * contract_check_reply:
 * @path: of the request, without query
 * @body: (nullable): the JSON of the reply
 *
 * Returns: (transfer full) (nullable): what the document does not allow; NULL when all is well.
 */
char *contract_check_reply(const char *method, const char *path, guint status, JsonNode *body);

/** contract_check_schema: the same for one named schema of the components. */
char *contract_check_schema(const char *name, JsonNode *body);

#endif
