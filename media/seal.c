/* SRTP's AEAD_AES_GCM (RFC 7714) for what leaves, straight on libcrypto. Numbers packets,
   allows repeats and refuses old ones exactly as libsrtp's srtp_protect does, and has its
   form. A session's packets all go one of the two ways: who counts must see them all. */

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { WINDOW = 1024, HALF = 0x8000, TAG_BYTES = 16, GET_TAG = 0x10 };

static struct {
    void *(*new_context)(void);
    void (*free_context)(void *);
    const void *(*aes_128_gcm)(void);
    const void *(*aes_256_gcm)(void);
    int (*init)(void *, const void *, void *, const uint8_t *, const uint8_t *);
    int (*update)(void *, uint8_t *, int *, const uint8_t *, int);
    int (*final)(void *, uint8_t *, int *);
    int (*control)(void *, int, int, void *);
} evp;

struct stream {
    int64_t index; /* RFC 3711 3.3.1: 65536 ROC + SEQ of the newest packet */
    uint32_t ssrc;
};

struct seal {
    void *cipher;
    struct stream *streams;
    uint32_t count, latest;
    uint8_t salt[12];
};

void yunhai_take_crypto(const void *const *functions) { memcpy(&evp, functions, sizeof evp); }

void yunhai_seal_free(struct seal *seal)
{
    if (seal) {
        evp.free_context(seal->cipher);
        free(seal->streams);
        free(seal);
    }
}

/* Session key and salt (not the master's); null if libcrypto will not. */
struct seal *yunhai_seal_new(const uint8_t *key, int32_t key_bytes, const uint8_t *salt)
{
    struct seal *seal = calloc(1, sizeof *seal);
    if (!seal)
        return 0;
    memcpy(seal->salt, salt, sizeof seal->salt);
    seal->cipher = evp.new_context();
    if (seal->cipher &&
        evp.init(seal->cipher, key_bytes == 16 ? evp.aes_128_gcm() : evp.aes_256_gcm(), 0, key,
                 salt) == 1)
        return seal;
    yunhai_seal_free(seal);
    return 0;
}

void yunhai_seal_forget(struct seal *seal, uint32_t ssrc)
{
    for (uint32_t i = 0; i < seal->count; i++)
        if (seal->streams[i].ssrc == ssrc) {
            seal->streams[i] = seal->streams[--seal->count];
            seal->latest = 0;
            return;
        }
}

static struct stream *stream_of(struct seal *seal, uint32_t ssrc)
{
    if (seal->latest < seal->count && seal->streams[seal->latest].ssrc == ssrc)
        return &seal->streams[seal->latest];
    for (uint32_t i = 0; i < seal->count; i++)
        if (seal->streams[i].ssrc == ssrc) {
            seal->latest = i;
            return &seal->streams[i];
        }
    struct stream *more = realloc(seal->streams, (seal->count + 1) * sizeof *more);
    if (!more)
        return 0;
    seal->streams = more;
    seal->latest = seal->count++;
    more[seal->latest] = (struct stream){0, ssrc};
    return &more[seal->latest];
}

/* The index nearest to the newest; within the first half cycle there is only ROC 0. */
static int64_t index_of(int64_t newest, uint16_t seq)
{
    int64_t roc = newest >> 16;
    int32_t low = newest & 0xffff;
    if (newest > HALF) {
        if (low < HALF && seq - low > HALF)
            roc--;
        else if (low >= HALF && low - HALF > seq)
            roc++;
    }
    return roc << 16 | seq;
}

/* As srtp_protect: encrypts in place, adds the tag to the size, 0 if all went well. */
int yunhai_protect(void *context, void *packet, int *size)
{
    struct seal *seal = context;
    uint8_t *p = packet;
    int length = *size, written;
    if (length < 12)
        return 2;
    int head = 12 + 4 * (p[0] & 15);
    if (p[0] & 0x10) {
        if (head + 4 > length)
            return 2;
        head += 4 + 4 * (p[head + 2] << 8 | p[head + 3]);
    }
    if (p[0] >> 6 != 2 || head > length)
        return 2;
    uint32_t ssrc = (uint32_t)p[8] << 24 | p[9] << 16 | p[10] << 8 | p[11];
    struct stream *stream = stream_of(seal, ssrc);
    if (!stream)
        return 3;
    int64_t index = index_of(stream->index, p[2] << 8 | p[3]);
    if (index < 0 || index >> 48 || stream->index - index >= WINDOW)
        return 10;
    /* RFC 7714 8.1: 0000, SSRC, ROC, SEQ, all XORed with the salt. */
    uint8_t nonce[12] = {0, 0, p[8], p[9], p[10], p[11], index >> 40, index >> 32,
                         index >> 24, index >> 16, p[2], p[3]};
    for (int i = 0; i < 12; i++)
        nonce[i] ^= seal->salt[i];
    if (index > stream->index)
        stream->index = index;
    if (evp.init(seal->cipher, 0, 0, 0, nonce) != 1 ||
        evp.update(seal->cipher, 0, &written, p, head) != 1 ||
        (length > head &&
         evp.update(seal->cipher, p + head, &written, p + head, length - head) != 1) ||
        evp.final(seal->cipher, p + length, &written) != 1 ||
        evp.control(seal->cipher, GET_TAG, TAG_BYTES, p + length) != 1)
        return 1;
    *size = length + TAG_BYTES;
    return 0;
}
