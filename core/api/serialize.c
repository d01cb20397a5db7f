/* Module digests and the serialised form.
 *   0  "WAGM"   4  u32 version   8  u64 size of the source   16  SHA-256 of the source   48  the source bytes
 * Little endian. The digest guards against damage, not against malice: the bytes are validated like any others.
 */
#include <mbedtls/sha256.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "waggle/module.h"

enum { SERIAL_VERSION = 1, SERIAL_SIZE_AT = 8, SERIAL_DIGEST_AT = 16, SERIAL_HEADER = 48 };
static const uint8_t serial_magic[8] = {'W', 'A', 'G', 'M', SERIAL_VERSION, 0, 0, 0};

static void digest_of(wag_bytes bytes, wag_digest *ret_digest)
{
    /* Fails only for a null pointer or a broken accelerator; then the digest is zero and matches nothing. */
    if (mbedtls_sha256_ret(bytes.data, bytes.size, ret_digest->bytes, 0) != 0)
        memset(ret_digest, 0, sizeof *ret_digest);
}

static void put_u64(uint8_t *to, uint64_t value)
{
    for (int i = 0; i < 8; i++)
        to[i] = (uint8_t)(value >> 8 * i);
}

static uint64_t get_u64(const uint8_t *from)
{
    uint64_t value = 0;
    for (int i = 0; i < 8; i++)
        value |= (uint64_t)from[i] << 8 * i;
    return value;
}

void wag_module_digest(const wag_module *module, wag_digest *ret_digest)
{
    digest_of(wag_module_bytes(module), ret_digest);
}

wag_err wag_module_serialize(const wag_module *module, uint8_t **ret_data, size_t *ret_size)
{
    if (!module)
        return WAG_TYPE;
    wag_bytes source = wag_module_bytes(module);
    size_t size = SERIAL_HEADER + source.size;
    uint8_t *data = ret_data ? wagi_alloc(size) : NULL;
    if (ret_data && !data)
        return WAG_NOMEM;
    if (ret_size)
        *ret_size = size;
    if (!data)
        return WAG_OK;
    wag_digest digest;
    digest_of(source, &digest);
    memcpy(data, serial_magic, sizeof serial_magic);
    put_u64(data + SERIAL_SIZE_AT, source.size);
    memcpy(data + SERIAL_DIGEST_AT, digest.bytes, sizeof digest.bytes);
    memcpy(data + SERIAL_HEADER, source.data, source.size);
    *ret_data = data;
    return WAG_OK;
}

void wag_buffer_free(uint8_t *data)
{
    wagi_free(data);
}

wag_err wag_module_deserialize(wag_bytes data, const wag_compile_options *options, wag_module **ret_module,
                               wag_error **reterr_error)
{
    if (!data.data && data.size)
        return wagi_fail(wagi_error_new(WAG_TYPE, "the serialised module is NULL with a size"), reterr_error);
    if (data.size < SERIAL_HEADER || memcmp(data.data, serial_magic, sizeof serial_magic) != 0)
        return wagi_fail(wagi_error_new(WAG_MALFORMED, "not a serialised module of version %d", SERIAL_VERSION),
                         reterr_error);
    wag_bytes source = {data.data + SERIAL_HEADER, data.size - SERIAL_HEADER};
    if (get_u64(data.data + SERIAL_SIZE_AT) != source.size)
        return wagi_fail(wagi_error_new(WAG_MALFORMED, "the serialised module is cut off or has extra bytes"),
                         reterr_error);
    wag_digest digest;
    digest_of(source, &digest);
    if (memcmp(digest.bytes, data.data + SERIAL_DIGEST_AT, sizeof digest.bytes) != 0)
        return wagi_fail(wagi_error_new(WAG_MALFORMED, "the serialised module is damaged: its digest differs"),
                         reterr_error);
    return wag_module_new(source, options, ret_module, reterr_error);
}
