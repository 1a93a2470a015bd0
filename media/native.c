/* The loop of PlainWriter.write in C: for each receiver copy the packets of a
   run, write its numbers over theirs, encrypt. Python decides, C repeats.
   Compiled by media/native.py, which also says what the structures hold. */

#include <stdint.h>
#include <string.h>

typedef int (*protect_fn)(void *context, void *packet, int *size);

struct packet {
    uint32_t at, size, ts;
    uint16_t seq, picture;
    uint16_t transport_at, picture_at, tl0_at;
    uint8_t marker, wide, tl0, spare;
};

struct receiver {
    uint64_t context, protect;
    uint32_t ssrc, ts;
    uint16_t seq, picture;
    uint8_t tl0, pt;
    uint16_t spare;
};

int32_t yunhai_sizes(void) { return sizeof(struct packet) << 16 | sizeof(struct receiver); }

static void put16(uint8_t *at, uint16_t value) { at[0] = value >> 8; at[1] = (uint8_t)value; }

static void put32(uint8_t *at, uint32_t value)
{
    put16(at, value >> 16);
    put16(at + 2, (uint16_t)value);
}

/* Returns how many receivers could not have the run; faulty[] says which. ``plain``: leave
   packets as they are. */
int32_t yunhai_write(int32_t plain, const uint8_t *image, const struct packet *packets,
                     int32_t count, const struct receiver *receivers,
                     const uint16_t *transport_seqs, int32_t many, uint8_t *arena,
                     int64_t stride, int32_t *faulty)
{
    int32_t bad = 0;
    for (int32_t i = 0; i < many; i++, arena += stride) {
        const struct receiver *to = &receivers[i];
        protect_fn protect = (protect_fn)(uintptr_t)to->protect;
        uint16_t transport_seq = transport_seqs ? transport_seqs[i] : 0;
        for (int32_t k = 0; k < count; k++) {
            const struct packet *p = &packets[k];
            uint8_t *out = arena + p->at;
            int size = (int)p->size;
            memcpy(out, image + p->at, p->size);
            out[1] = to->pt | p->marker;
            put16(out + 2, p->seq + to->seq);
            put32(out + 4, p->ts + to->ts);
            put32(out + 8, to->ssrc);
            if (p->picture_at) {
                uint16_t picture = p->picture + to->picture;
                if (p->wide)
                    put16(out + p->picture_at, 0x8000 | (picture & 0x7fff));
                else
                    out[p->picture_at] = picture & 0x7f;
                if (p->tl0_at)
                    out[p->tl0_at] = p->tl0 + to->tl0;
            }
            if (p->transport_at)
                put16(out + p->transport_at, transport_seq++);
            if (!plain && protect((void *)(uintptr_t)to->context, out, &size)) {
                faulty[bad++] = i;
                break;
            }
        }
    }
    return bad;
}
