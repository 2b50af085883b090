/* Driver of popflip machines: see popflip.h. */
#include "popflip.h"

#if POPFLIP_PAYLOAD < 32 || POPFLIP_PAYLOAD > 1024
#error "POPFLIP_PAYLOAD must be 32 to 1024"
#endif

/* The serial line's protocol: docs/reference/link.md. */
enum { VERSION = 1, HEADER_BYTES = 3, CRC_BYTES = 2, IDENTITY_BYTES = 16, MAX_COUNT = 1 << 24 };
enum { IDENTIFY = 1, READ = 2, WRITE = 3, RUN = 5, STOP = 6, STATUS = 7 };
enum { OK = 0, BAD_FRAME = 1, BAD_CRC = 3, ANSWER_BUSY = 8 };

/* Control registers of a bus: docs/reference/buses.md. */
enum {
    REG_ID = 0x00, REG_STATUS = 0x14, REG_EVENTS = 0x18, REG_ENABLE = 0x1c, REG_FIRST = 0x20,
    REG_COUNT = 0x24, REG_RUN = 0x28, REG_COMMAND = 0x2c
};
enum { LAYOUT_VERSION = 1, STATUS_BUSY = 1, COMMAND_STOP = 1, COMMAND_DISCARD = 2 };
enum { HELD_SAMPLES = 2 }; /* by the front end, ahead of a run */

enum { TRIES = 3, MOST_BYTES = 1 << 16, LOOKS = 1 << 10, QUIET_PART = 16 };

/* Image of a network. */
enum { IMAGE_HEAD = 28, IMAGE_TAIL = 4, IMAGE_SETTINGS = 3 };
static const uint8_t image_magic[8] = {'p', 'o', 'p', 'f', 'l', 'i', 'p', 1};

/* Bytes -------------------------------------------------------------------------------------- */

static void put_u32(uint8_t *bytes, uint32_t value)
{
    for (int i = 0; i < 4; i++)
        bytes[i] = (uint8_t)(value >> 8 * i);
}

static uint32_t get_u32(const uint8_t *bytes)
{
    return bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 | (uint32_t)bytes[3] << 24;
}

static bool same(const uint8_t *a, const uint8_t *b, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (a[i] != b[i])
            return false;
    return true;
}

static uint32_t word_bytes(const struct popflip_region *region)
{
    return (region->width + 7) / 8;
}

static uint32_t settings_of(const struct popflip_design *design)
{
    return IMAGE_SETTINGS + (uint32_t)design->layers;
}

/* Polynomial 0x1021, initial value 0xffff, nothing reflected. */
static uint16_t crc16(const uint8_t *bytes, uint32_t n)
{
    uint32_t crc = 0xffff;
    for (uint32_t i = 0; i < n; i++) {
        crc ^= (uint32_t)bytes[i] << 8;
        for (int bit = 0; bit < 8; bit++)
            crc = crc & 0x8000 ? crc << 1 ^ 0x1021 : crc << 1;
    }
    return (uint16_t)crc;
}

/* That of zlib. */
static uint32_t crc32(const uint8_t *bytes, size_t n)
{
    uint32_t crc = 0xffffffff;
    for (size_t i = 0; i < n; i++) {
        crc ^= bytes[i];
        for (int bit = 0; bit < 8; bit++)
            crc = crc & 1 ? crc >> 1 ^ 0xedb88320 : crc >> 1;
    }
    return ~crc;
}

/* Frames on the serial line ------------------------------------------------------------------ */

static int put_byte(struct popflip *device, uint8_t byte)
{
    return device->line->put(device->line->context, byte) ? POPFLIP_LINE : POPFLIP_OK;
}

/* Send device->frame as COBS between two zeros: the first one ends whatever noise has begun. */
static int send_frame(struct popflip *device)
{
    const uint8_t *raw = device->frame;
    uint32_t n = device->length, at = 0;
    int result = put_byte(device, 0);
    while (!result) {
        uint32_t block = 0;
        while (at + block < n && block < 254 && raw[at + block])
            block++;
        result = put_byte(device, (uint8_t)(block + 1));
        for (uint32_t end = at + block; at < end && !result; at++)
            result = put_byte(device, raw[at]);
        if (at == n)
            break;
        /* The zero is in the code byte; a full block has none behind it. */
        if (block < 254)
            at++;
    }
    return result ? result : put_byte(device, 0);
}

static void begin_frame(struct popflip *device)
{
    device->length = 0;
    device->left = 0;
    device->code = 255;
    device->broken = false;
}

static void append(struct popflip *device, uint8_t byte)
{
    if (device->length < sizeof device->frame)
        device->frame[device->length++] = byte;
    else
        device->broken = true;
}

/* Take a byte of the line; true when it ends a frame that is good, which is in device->frame. */
static bool take_byte(struct popflip *device, uint8_t byte)
{
    if (byte) {
        if (device->left) {
            append(device, byte);
            device->left--;
        } else {
            if (device->code != 255)
                append(device, 0);
            device->code = byte;
            device->left = (uint8_t)(byte - 1);
        }
        return false;
    }
    uint32_t n = device->length;
    bool good = !device->broken && !device->left && n >= HEADER_BYTES + CRC_BYTES;
    if (good) {
        n -= CRC_BYTES;
        uint16_t crc = crc16(device->frame, n);
        good = device->frame[n] == (crc & 0xff) && device->frame[n + 1] == crc >> 8 &&
               device->frame[0] == VERSION;
    }
    if (good)
        device->length = n;
    else
        begin_frame(device);
    return good;
}

/* Whether the bytes that came last begin the answer that is waited for. */
static bool answer_begins(const struct popflip *device)
{
    return device->length >= 2 && !device->broken && device->frame[0] == VERSION &&
           device->frame[1] == device->sequence;
}

/* Whether the frame that came is the request itself, which a line may echo. */
static bool is_echo(const struct popflip *device, uint8_t verb, const uint8_t *head,
                    uint32_t head_bytes, const uint8_t *words, uint32_t n_bytes)
{
    return device->frame[2] == verb && device->length == HEADER_BYTES + head_bytes + n_bytes &&
           same(device->frame + HEADER_BYTES, head, head_bytes) &&
           same(device->frame + HEADER_BYTES + head_bytes, words, n_bytes);
}

/* End what has begun on the line, and wait until it is silent. */
static int resync(struct popflip *device)
{
    uint32_t patience = device->line->patience, quiet = 0, vain = 0, bytes = 0;
    int result = put_byte(device, 0);
    begin_frame(device);
    while (!result && quiet <= patience / QUIET_PART) {
        if (device->line->get(device->line->context) < 0) {
            quiet++;
            vain++;
        } else {
            quiet = 0;
            bytes++;
        }
        if (quiet <= patience / QUIET_PART && (vain > patience || bytes > MOST_BYTES))
            result = POPFLIP_GARBAGE;
    }
    return result;
}

/* Send a request; words follow the head of its payload. */
static int send_request(struct popflip *device, uint8_t verb, const uint8_t *head,
                        uint32_t head_bytes, const uint8_t *words, uint32_t n_bytes)
{
    uint8_t *frame = device->frame;
    uint32_t n = HEADER_BYTES;
    /* 0 is what the board answers to frames that it could not read. */
    device->sequence = (uint8_t)(device->sequence % 255 + 1);
    frame[0] = VERSION;
    frame[1] = device->sequence;
    frame[2] = verb;
    for (uint32_t i = 0; i < head_bytes; i++)
        frame[n++] = head[i];
    for (uint32_t i = 0; i < n_bytes; i++)
        frame[n++] = words[i];
    uint16_t crc = crc16(frame, n);
    frame[n] = (uint8_t)crc;
    frame[n + 1] = (uint8_t)(crc >> 8);
    device->length = n + CRC_BYTES;
    int result = send_frame(device);
    begin_frame(device);
    return result;
}

/*
 * Send a request, wait for its answer, and take the `expected` bytes of its payload. What is lost is
 * sent again, but RUN; what arrived damaged has done nothing, and is sent again whatever it is.
 */
static int exchange(struct popflip *device, uint8_t verb, const uint8_t *head, uint32_t head_bytes,
                    const uint8_t *words, uint32_t n_bytes, uint8_t *answer, uint32_t expected)
{
    int result = POPFLIP_TIMEOUT;
    for (int tries = TRIES; tries; tries--) {
        uint32_t vain = 0, bytes = 0;
        result = send_request(device, verb, head, head_bytes, words, n_bytes);
        for (bool over = false; !over && !result;) {
            int byte = device->line->get(device->line->context);
            if (byte < 0) {
                if (vain++ >= device->line->patience)
                    result = bytes ? POPFLIP_GARBAGE : POPFLIP_TIMEOUT;
                continue;
            }
            if (bytes++ >= MOST_BYTES)
                result = POPFLIP_GARBAGE;
            else if (take_byte(device, (uint8_t)byte)) {
                over = device->frame[1] == device->sequence &&
                       !is_echo(device, verb, head, head_bytes, words, n_bytes);
                if (!over)
                    begin_frame(device);
            } else if (answer_begins(device))
                vain = 0;
        }
        if (result == POPFLIP_LINE)
            return result;
        if (result) {
            int silent = verb == RUN || tries == 1 ? result : resync(device);
            if (silent)
                return silent;
            continue;
        }
        device->status = device->frame[2];
        if (device->status < BAD_FRAME || device->status > BAD_CRC)
            break;
        result = POPFLIP_REFUSED;
    }
    if (result || device->status != OK)
        return device->status == ANSWER_BUSY ? POPFLIP_BUSY : POPFLIP_REFUSED;
    if (device->length != HEADER_BYTES + expected)
        return POPFLIP_GARBAGE;
    for (uint32_t i = 0; i < expected; i++)
        answer[i] = device->frame[HEADER_BYTES + i];
    return POPFLIP_OK;
}

/* Read or write words over the line, in as few frames as possible. */
static int line_words(struct popflip *device, uint32_t region, uint32_t word, uint32_t count,
                      uint8_t *in, const uint8_t *out)
{
    uint32_t size = word_bytes(device->design->regions + region);
    uint32_t most = (device->payload - (out ? 5 : 0)) / size;
    int result = most ? POPFLIP_OK : POPFLIP_RANGE;
    while (count && !result) {
        uint32_t n = count < most ? count : most;
        uint8_t head[7] = {(uint8_t)region};
        put_u32(head + 1, word);
        head[5] = (uint8_t)n;
        head[6] = (uint8_t)(n >> 8);
        if (out) {
            result = exchange(device, WRITE, head, 5, out, n * size, 0, 0);
            out += n * size;
        } else {
            result = exchange(device, READ, head, 7, 0, 0, in, n * size);
            in += n * size;
        }
        word += n;
        count -= n;
    }
    return result;
}

static int line_busy(struct popflip *device, bool *busy)
{
    uint8_t answer[9];
    int result = exchange(device, STATUS, 0, 0, 0, 0, answer, sizeof answer);
    *busy = !result && answer[0];
    return result;
}

/* The low word of the counter of samples: what shows whether a run goes on. */
static int progress(struct popflip *device, uint32_t *samples)
{
    return popflip_get(device, device->design->counters, samples);
}

/* Begin a run, once: if its answer was lost, the machine tells whether it was heard. */
static int line_begin(struct popflip *device, uint32_t flags, uint32_t first, uint32_t count)
{
    uint8_t head[9] = {(uint8_t)flags};
    put_u32(head + 1, first);
    put_u32(head + 5, count);
    uint32_t before, after;
    int result = progress(device, &before);
    for (int tries = TRIES; tries && !result; tries--) {
        bool busy;
        int lost = exchange(device, RUN, head, sizeof head, 0, 0, 0, 0);
        if (lost != POPFLIP_TIMEOUT && lost != POPFLIP_GARBAGE)
            return lost;
        result = resync(device);
        if (!result)
            result = line_busy(device, &busy);
        if (!result)
            result = progress(device, &after);
        if (!result && (busy || after != before))
            return POPFLIP_OK;
        if (tries == 1 && !result)
            result = lost;
    }
    return result;
}

/* The bus ------------------------------------------------------------------------------------ */

static int bus_read(struct popflip *device, uint32_t address, uint32_t *value)
{
    return device->bus->read(device->bus->context, address, value) ? POPFLIP_REFUSED : POPFLIP_OK;
}

static int bus_write(struct popflip *device, uint32_t address, uint32_t value)
{
    return device->bus->write(device->bus->context, address, value) ? POPFLIP_REFUSED : POPFLIP_OK;
}

static void bus_pause(struct popflip *device)
{
    if (device->bus->pause)
        device->bus->pause(device->bus->context);
}

/* Words of one byte: a bus word has four of them. Others in it are written as they were. */
static int bus_packed(struct popflip *device, uint32_t at, uint32_t count, uint8_t *in,
                      const uint8_t *out)
{
    int result = POPFLIP_OK;
    while (count && !result) {
        uint32_t low = at % 4, n = 4 - low < count ? 4 - low : count, value = 0;
        if (!out || n < 4)
            result = bus_read(device, at - low, &value);
        for (uint32_t i = low; i < low + n && !result; i++) {
            if (out)
                value = (value & ~((uint32_t)0xff << 8 * i)) | (uint32_t)*out++ << 8 * i;
            else
                *in++ = (uint8_t)(value >> 8 * i);
        }
        if (out && !result)
            result = bus_write(device, at - low, value);
        at += n;
        count -= n;
    }
    return result;
}

/* Words of more bits: some bus words each, in order, and room up to a power of two. */
static int bus_wide(struct popflip *device, const struct popflip_region *region, uint32_t word,
                    uint32_t count, uint8_t *in, const uint8_t *out)
{
    uint32_t size = word_bytes(region), stride = 4;
    int result = POPFLIP_OK;
    while (stride < size)
        stride *= 2;
    for (; count && !result; count--, word++) {
        for (uint32_t lane = 0; lane < size && !result; lane += 4) {
            uint32_t at = region->window + word * stride + lane, value = 0;
            uint32_t n = size - lane < 4 ? size - lane : 4;
            if (out) {
                for (uint32_t i = 0; i < n; i++)
                    value |= (uint32_t)*out++ << 8 * i;
                result = bus_write(device, at, value);
            } else {
                result = bus_read(device, at, &value);
                for (uint32_t i = 0; i < n && !result; i++)
                    *in++ = (uint8_t)(value >> 8 * i);
            }
        }
    }
    return result;
}

/* What the machine would refuse is not tried: many processors take a bus's error as a crash. */
static int bus_allows(struct popflip *device, uint32_t region, uint32_t word, uint32_t count,
                      bool write)
{
    const struct popflip_design *design = device->design;
    bool busy;
    int result = popflip_busy(device, &busy);
    if (result)
        return result;
    if (write) {
        if (region == POPFLIP_RESULTS)
            return POPFLIP_RANGE;
        if (region == POPFLIP_REGISTERS &&
            (word + count > POPFLIP_TAU0 + (uint32_t)design->layers ||
             (design->fixed_batch && word <= POPFLIP_OPTIONS)))
            return POPFLIP_RANGE;
        /* Bytes beside a sample's cannot be read during a run, so whole bus words only. */
        return busy && (region != POPFLIP_SLOTS || word % 4 || count % 4) ? POPFLIP_BUSY
                                                                          : POPFLIP_OK;
    }
    return busy && region != POPFLIP_REGISTERS && region != POPFLIP_RESULTS ? POPFLIP_BUSY
                                                                            : POPFLIP_OK;
}

static int bus_words(struct popflip *device, uint32_t region, uint32_t word, uint32_t count,
                     uint8_t *in, const uint8_t *out)
{
    const struct popflip_region *it = device->design->regions + region;
    int result = bus_allows(device, region, word, count, out != 0);
    if (result)
        return result;
    return it->width <= 8 ? bus_packed(device, it->window + word, count, in, out)
                          : bus_wide(device, it, word, count, in, out);
}

static int bus_begin(struct popflip *device, uint32_t flags, uint32_t first, uint32_t count)
{
    int result = bus_write(device, REG_FIRST, first);
    if (!result)
        result = bus_write(device, REG_COUNT, count);
    return result ? result : bus_write(device, REG_RUN, flags);
}

/* Wait until the front end has room for a sample. */
static int await_room(struct popflip *device)
{
    for (uint32_t looks = 0; looks <= device->bus->patience; looks++) {
        uint32_t status;
        int result = bus_read(device, REG_STATUS, &status);
        if (result)
            return result;
        if (!(status & STATUS_BUSY))
            return POPFLIP_REFUSED; /* the run has ended before its time */
        if (status >> 1 < HELD_SAMPLES)
            return POPFLIP_OK;
        bus_pause(device);
    }
    return POPFLIP_TIMEOUT;
}

/* Send a sample to a run that takes them from the bus. */
static int bus_sample(struct popflip *device, const uint8_t *sample)
{
    uint32_t left = device->design->sample_bytes, at = device->design->sample_window;
    int result = await_room(device);
    if (!result && device->design->front_end == POPFLIP_AXI)
        return device->bus->send(device->bus->context, sample, left) ? POPFLIP_LINE : POPFLIP_OK;
    for (; left >= 4 && !result; left -= 4, at += 4, sample += 4)
        result = bus_write(device, at, get_u32(sample));
    if (left && !result) {
        uint8_t last[4] = {0, 0, 0, 0};
        for (uint32_t i = 0; i < left; i++)
            last[i] = sample[i];
        result = bus_write(device, at, get_u32(last));
    }
    return result;
}

int popflip_memory_read(void *context, uint32_t address, uint32_t *value)
{
    *value = *(volatile uint32_t *)((uintptr_t)context + address);
    return 0;
}

int popflip_memory_write(void *context, uint32_t address, uint32_t value)
{
    *(volatile uint32_t *)((uintptr_t)context + address) = value;
    return 0;
}

/* Opening ------------------------------------------------------------------------------------ */

const char *popflip_text(int result)
{
    static const char *const texts[] = {
        "all is well",
        "the machine does not answer, or does not go on",
        "what talks on the line is no popflip machine",
        "the program could not send",
        "another design than that of NAME_design.h",
        "the machine refused, or the bus answered by an error",
        "a run is on",
        "an argument that there is not",
        "the image is damaged",
    };
    return result >= 0 && result <= POPFLIP_IMAGE ? texts[result] : "no result of the driver";
}

static void begin(struct popflip *device, const struct popflip_design *design,
                  const struct popflip_bus *bus, const struct popflip_line *line)
{
    device->design = design;
    device->bus = bus;
    device->line = line;
    device->status = OK;
    device->sequence = 0;
    device->payload = POPFLIP_PAYLOAD;
    begin_frame(device);
}

int popflip_open_bus(struct popflip *device, const struct popflip_design *design,
                     const struct popflip_bus *bus)
{
    begin(device, design, bus, 0);
    if (design->front_end == POPFLIP_UART)
        return POPFLIP_OTHER_DESIGN;
    for (uint32_t at = 0; at <= IDENTITY_BYTES; at += 4) {
        uint32_t found, wanted = LAYOUT_VERSION | (uint32_t)design->front_end << 8;
        int result = bus_read(device, REG_ID + at, &found);
        if (result)
            return result;
        if (at < IDENTITY_BYTES)
            wanted = get_u32(design->identity + at);
        if (found != wanted)
            return POPFLIP_OTHER_DESIGN;
    }
    return POPFLIP_OK;
}

int popflip_open_line(struct popflip *device, const struct popflip_design *design,
                      const struct popflip_line *line)
{
    uint8_t answer[IDENTITY_BYTES + 2];
    begin(device, design, 0, line);
    if (design->front_end != POPFLIP_UART)
        return POPFLIP_OTHER_DESIGN;
    int result = resync(device);
    if (!result)
        result = exchange(device, IDENTIFY, 0, 0, 0, 0, answer, sizeof answer);
    if (result)
        return result;
    if (!same(answer, design->identity, IDENTITY_BYTES))
        return POPFLIP_OTHER_DESIGN;
    uint32_t most = answer[IDENTITY_BYTES] | (uint32_t)answer[IDENTITY_BYTES + 1] << 8;
    if (most < 32)
        return POPFLIP_GARBAGE;
    if (most < device->payload)
        device->payload = most;
    return POPFLIP_OK;
}

/* Memories and registers --------------------------------------------------------------------- */

static int words(struct popflip *device, uint32_t region, uint32_t word, uint32_t count,
                 uint8_t *in, const uint8_t *out)
{
    const struct popflip_design *design = device->design;
    if (region >= design->n_regions || word > design->regions[region].depth ||
        count > design->regions[region].depth - word)
        return POPFLIP_RANGE;
    return device->bus ? bus_words(device, region, word, count, in, out)
                       : line_words(device, region, word, count, in, out);
}

int popflip_read(struct popflip *device, uint32_t region, uint32_t word, uint32_t count,
                 uint8_t *bytes)
{
    return words(device, region, word, count, bytes, 0);
}

int popflip_write(struct popflip *device, uint32_t region, uint32_t word, uint32_t count,
                  const uint8_t *bytes)
{
    return words(device, region, word, count, 0, bytes);
}

int popflip_get(struct popflip *device, uint32_t number, uint32_t *value)
{
    uint8_t bytes[4];
    int result = popflip_read(device, POPFLIP_REGISTERS, number, 1, bytes);
    if (!result)
        *value = get_u32(bytes);
    return result;
}

int popflip_set(struct popflip *device, uint32_t number, uint32_t value)
{
    uint8_t bytes[4];
    put_u32(bytes, value);
    return popflip_write(device, POPFLIP_REGISTERS, number, 1, bytes);
}

int popflip_count(struct popflip *device, uint32_t counter, uint64_t *value)
{
    uint32_t at = device->design->counters + 2 * counter, low = 0, high = 0, again = 0;
    if (counter >= device->design->n_counters)
        return POPFLIP_RANGE;
    int result = popflip_get(device, at + 1, &high);
    /* A carry may pass from one word to the other meanwhile; another one takes hours. */
    for (int tries = 2; tries && !result; tries--) {
        result = popflip_get(device, at, &low);
        if (!result)
            result = popflip_get(device, at + 1, &again);
        if (again == high)
            break;
        high = again;
    }
    *value = (uint64_t)high << 32 | low;
    return result;
}

int popflip_clear(struct popflip *device)
{
    return popflip_set(device, POPFLIP_CLEAR, 0);
}

/* Networks ----------------------------------------------------------------------------------- */

int popflip_load(struct popflip *device, const uint8_t *image, size_t bytes)
{
    const struct popflip_design *design = device->design;
    uint32_t n = design->image_bytes;
    if (bytes < IMAGE_HEAD || !same(image, image_magic, sizeof image_magic))
        return POPFLIP_IMAGE;
    if (!same(image + sizeof image_magic, design->identity, IDENTITY_BYTES))
        return POPFLIP_OTHER_DESIGN;
    if (bytes != n || get_u32(image + IMAGE_HEAD - 4) != n - IMAGE_HEAD - IMAGE_TAIL ||
        crc32(image, n - IMAGE_TAIL) != get_u32(image + n - IMAGE_TAIL))
        return POPFLIP_IMAGE;

    const uint8_t *settings = image + IMAGE_HEAD, *at = settings + 4 * settings_of(design);
    int result = POPFLIP_OK;
    for (uint32_t region = POPFLIP_WEIGHTS0; region < design->n_regions && !result; region++) {
        const struct popflip_region *it = design->regions + region;
        result = popflip_write(device, region, 0, it->depth, at);
        at += it->depth * word_bytes(it);
    }
    if (!result)
        result = popflip_write(device, POPFLIP_REGISTERS, POPFLIP_TAU0, design->layers,
                               settings + 4 * IMAGE_SETTINGS);
    if (!result)
        result = popflip_write(device, POPFLIP_REGISTERS, POPFLIP_SEED, 1, settings + 8);
    /* Forgets a batch that was under way. */
    if (!result && !design->fixed_batch)
        result = popflip_write(device, POPFLIP_REGISTERS, POPFLIP_BATCH, 2, settings);
    return result;
}

int popflip_save(struct popflip *device, uint8_t *image, size_t bytes)
{
    const struct popflip_design *design = device->design;
    uint32_t n = design->image_bytes;
    if (bytes < n)
        return POPFLIP_RANGE;
    for (uint32_t i = 0; i < sizeof image_magic; i++)
        image[i] = image_magic[i];
    for (uint32_t i = 0; i < IDENTITY_BYTES; i++)
        image[sizeof image_magic + i] = design->identity[i];
    put_u32(image + IMAGE_HEAD - 4, n - IMAGE_HEAD - IMAGE_TAIL);

    uint8_t *at = image + IMAGE_HEAD;
    int result = popflip_read(device, POPFLIP_REGISTERS, POPFLIP_BATCH, IMAGE_SETTINGS, at);
    if (!result)
        result = popflip_read(device, POPFLIP_REGISTERS, POPFLIP_TAU0, design->layers,
                              at + 4 * IMAGE_SETTINGS);
    at += 4 * settings_of(design);
    for (uint32_t region = POPFLIP_WEIGHTS0; region < design->n_regions && !result; region++) {
        const struct popflip_region *it = design->regions + region;
        result = popflip_read(device, region, 0, it->depth, at);
        at += it->depth * word_bytes(it);
    }
    put_u32(image + n - IMAGE_TAIL, crc32(image, n - IMAGE_TAIL));
    return result;
}

/* Runs --------------------------------------------------------------------------------------- */

void popflip_pack(const struct popflip_design *design, const uint8_t *pixels, uint8_t label,
                  uint8_t *sample)
{
    uint32_t bits = design->sample_word_bits, bytes = (bits + 7) / 8, bit = 0;
    for (uint32_t i = 0; i < design->sample_bytes; i++)
        sample[i] = 0;
    for (uint32_t pixel = 0; pixel < design->pixels; pixel++)
        for (uint32_t plane = 0; plane < design->planes; plane++, bit++)
            if (pixels[pixel] > design->thresholds[plane])
                sample[bit / bits * bytes + bit % bits / 8] |= (uint8_t)(1 << bit % bits % 8);
    sample[design->sample_bytes - 1] = label;
}

int popflip_busy(struct popflip *device, bool *busy)
{
    if (!device->bus)
        return line_busy(device, busy);
    uint32_t status = 0;
    int result = bus_read(device, REG_STATUS, &status);
    *busy = !result && status & STATUS_BUSY;
    return result;
}

int popflip_begin(struct popflip *device, uint32_t flags, uint32_t first, uint32_t count)
{
    bool busy;
    if (flags & ~(uint32_t)(POPFLIP_TRAIN | POPFLIP_INTERNAL | POPFLIP_FLUSH) || !count ||
        count >= MAX_COUNT || first >= MAX_COUNT || (flags & POPFLIP_TRAIN && !device->design->trains))
        return POPFLIP_RANGE;
    int result = popflip_busy(device, &busy);
    if (result || busy)
        return result ? result : POPFLIP_BUSY;
    return device->bus ? bus_begin(device, flags, first, count)
                       : line_begin(device, flags, first, count);
}

int popflip_stop(struct popflip *device)
{
    return device->bus ? bus_write(device, REG_COMMAND, COMMAND_STOP)
                       : exchange(device, STOP, 0, 0, 0, 0, 0, 0);
}

int popflip_interrupt(struct popflip *device, uint32_t events)
{
    if (!device->bus || events > (POPFLIP_DONE | POPFLIP_BAD_FRAME | POPFLIP_ACCESS_REFUSED))
        return POPFLIP_RANGE;
    return bus_write(device, REG_ENABLE, events);
}

int popflip_events(struct popflip *device, uint32_t *events)
{
    int result = device->bus ? bus_read(device, REG_EVENTS, events) : POPFLIP_RANGE;
    /* Only those that were read: another one may happen meanwhile. */
    return result ? result : bus_write(device, REG_EVENTS, *events);
}

/* Given up when no sample is finished in so many looks. */
int popflip_wait(struct popflip *device)
{
    uint32_t patience = device->bus ? device->bus->patience : LOOKS, before, now;
    bool busy = true;
    int result = progress(device, &before);
    for (uint32_t looks = 0; !result;) {
        result = popflip_busy(device, &busy);
        if (result || !busy)
            break;
        if (looks++ >= patience) {
            result = progress(device, &now);
            if (!result && now == before)
                result = POPFLIP_TIMEOUT;
            before = now;
            looks = 0;
        }
        if (device->bus)
            bus_pause(device);
    }
    return result;
}

/* A run of samples that are written to the slots first. */
static int run_slots(struct popflip *device, uint32_t flags, const uint8_t *samples, uint32_t count)
{
    int result = popflip_write(device, POPFLIP_SLOTS, 0, count * device->design->sample_bytes,
                               samples);
    return result ? result : popflip_begin(device, flags | POPFLIP_INTERNAL, 0, count);
}

/* A run of samples that are sent one by one. */
static int run_stream(struct popflip *device, uint32_t flags, const uint8_t *samples,
                      uint32_t count)
{
    bool busy;
    int result = popflip_busy(device, &busy);
    if (result || busy)
        return result ? result : POPFLIP_BUSY;
    /* Whatever somebody else has left there. */
    result = bus_write(device, REG_COMMAND, COMMAND_DISCARD);
    if (!result)
        result = popflip_begin(device, flags, 0, count);
    for (; count && !result; count--, samples += device->design->sample_bytes)
        result = bus_sample(device, samples);
    return result;
}

static int run(struct popflip *device, uint32_t flags, const uint8_t *samples, uint32_t count,
               uint8_t *classes)
{
    const struct popflip_design *design = device->design;
    bool stream = design->front_end == POPFLIP_WISHBONE || (device->bus && device->bus->send);
    uint32_t most = design->slots, results = design->regions[POPFLIP_RESULTS].depth;
    int result = POPFLIP_OK;
    if (!count || (flags & POPFLIP_TRAIN && !design->trains))
        return POPFLIP_RANGE;
    if (stream)
        most = MAX_COUNT - 1;
    if (classes && results < most)
        most = results;
    while (count && !result) {
        uint32_t n = count < most ? count : most;
        uint32_t now = n == count ? flags : flags & ~(uint32_t)POPFLIP_FLUSH;
        result = stream ? run_stream(device, now, samples, n) : run_slots(device, now, samples, n);
        if (!result)
            result = popflip_wait(device);
        if (!result && classes) {
            result = popflip_read(device, POPFLIP_RESULTS, 0, n, classes);
            classes += n;
        }
        samples += n * design->sample_bytes;
        count -= n;
    }
    return result;
}

int popflip_train(struct popflip *device, const uint8_t *samples, uint32_t count, bool flush,
                  uint8_t *classes)
{
    return run(device, POPFLIP_TRAIN | (flush ? POPFLIP_FLUSH : 0u), samples, count, classes);
}

int popflip_infer(struct popflip *device, const uint8_t *samples, uint32_t count,
                  uint8_t *classes)
{
    return run(device, 0, samples, count, classes);
}
