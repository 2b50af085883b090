/*
 * Driver of popflip machines, for any program in C99.
 *
 * It needs no operating system and no library, allocates nothing, and ends every wait. A machine is
 * reached over a bus (AXI4-Lite or Wishbone) or over its serial line. What it is, a file NAME_design.h
 * says, which `popflip verilog` writes beside the Verilog.
 *
 * Functions return an enum popflip_result: POPFLIP_OK, or why nothing came of it.
 */
#ifndef POPFLIP_H
#define POPFLIP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Bytes of a frame's payload on the serial line, up to 1024. Fewer save memory of struct popflip; a
 * word of any region has to fit beside 9 bytes.
 */
#ifndef POPFLIP_PAYLOAD
#define POPFLIP_PAYLOAD 1024
#endif

enum popflip_result {
    POPFLIP_OK = 0,
    POPFLIP_TIMEOUT,      /* no answer in time, or a run that does not go on */
    POPFLIP_GARBAGE,      /* something talks on the line, but not as popflip does */
    POPFLIP_LINE,         /* the program's own callback failed */
    POPFLIP_OTHER_DESIGN, /* the machine, or the image, is of another design */
    POPFLIP_REFUSED,      /* the machine refused, or a bus answered by an error; device.status says
                             why on a serial line */
    POPFLIP_BUSY,         /* a run is on */
    POPFLIP_RANGE,        /* an argument that there is not; nothing was sent */
    POPFLIP_IMAGE         /* the image is damaged, or none */
};

/* Registers that every design has, by address in region `registers`; thresholds follow. */
enum popflip_register { POPFLIP_BATCH, POPFLIP_OPTIONS, POPFLIP_SEED, POPFLIP_CLEAR, POPFLIP_TAU0 };

/* Counters that every design has; flips of the other layers follow, then cycles. */
enum popflip_counter {
    POPFLIP_SAMPLES,
    POPFLIP_CORRECT,
    POPFLIP_CHANGED,
    POPFLIP_RESTARTS,
    POPFLIP_FLIPS0
};

/* Regions that every design has; weights and latents follow. */
enum popflip_region_number { POPFLIP_REGISTERS, POPFLIP_SLOTS, POPFLIP_RESULTS, POPFLIP_WEIGHTS0 };

/* What a run does. */
enum popflip_flags { POPFLIP_TRAIN = 1, POPFLIP_INTERNAL = 2, POPFLIP_FLUSH = 4 };

/* Events of a bus: a run has ended, a frame was dropped, an access was refused. */
enum popflip_event { POPFLIP_DONE = 1, POPFLIP_BAD_FRAME = 2, POPFLIP_ACCESS_REFUSED = 4 };

/* Front ends. */
enum popflip_front_end { POPFLIP_UART = 0, POPFLIP_AXI = 1, POPFLIP_WISHBONE = 2 };

/* A memory of the machine. */
struct popflip_region {
    uint32_t window; /* byte address on a bus */
    uint32_t depth;  /* words */
    uint32_t width;  /* bits of a word */
};

/* A design: NAME_design.h has one. */
struct popflip_design {
    uint8_t identity[16];
    uint8_t front_end;
    uint8_t layers;     /* weight layers */
    bool trains;        /* it has latents, and learns */
    bool fixed_batch;   /* batch and options cannot be written */
    uint32_t n_regions;
    const struct popflip_region *regions;
    uint32_t counters;  /* address of the first counter */
    uint32_t n_counters;
    uint32_t classes;
    uint32_t slots;        /* samples that it can be given at a time */
    uint32_t sample_bytes; /* of a sample with its class */
    uint32_t sample_window; /* byte address of window `sample`, with Wishbone */
    uint32_t pixels;       /* of an image */
    uint32_t planes;       /* bits of a pixel */
    const uint8_t *thresholds; /* of each plane */
    uint32_t sample_word_bits;
    uint32_t image_bytes;  /* of what popflip_save writes */
};

/*
 * A bus with 32-bit words. `read` and `write` take byte addresses from the machine's first one on,
 * multiples of 4, and return 0, or anything else if the bus answered by an error. `send` (AXI only,
 * may be 0) sends the bytes of a sample as a frame on s_axis, and returns 0 if it could. `pause`
 * (may be 0) is called between two looks at the machine.
 */
struct popflip_bus {
    int (*read)(void *context, uint32_t address, uint32_t *value);
    int (*write)(void *context, uint32_t address, uint32_t value);
    int (*send)(void *context, const uint8_t *sample, uint32_t bytes);
    void (*pause)(void *context);
    void *context;
    uint32_t patience; /* looks at a machine that does not go on, before POPFLIP_TIMEOUT */
};

/* A bus whose addresses are the processor's own, from `address` on. */
#define POPFLIP_BUS_AT(address, patience)                                                         \
    { popflip_memory_read, popflip_memory_write, 0, 0, (void *)(uintptr_t)(address), (patience) }

/*
 * A serial line. `put` sends a byte and returns 0, or anything else if it could not; `get` returns a
 * byte that has come, or a negative number if there is none yet. Both have to return.
 */
struct popflip_line {
    int (*put)(void *context, uint8_t byte);
    int (*get)(void *context);
    void *context;
    uint32_t patience; /* calls of `get` in vain, before POPFLIP_TIMEOUT */
};

/* A machine that was opened. The program owns it; only `status` is of interest. */
struct popflip {
    const struct popflip_design *design;
    const struct popflip_bus *bus;   /* one of the two is 0 */
    const struct popflip_line *line;
    uint8_t status;   /* of the last answer on the line: see `statuses` of the manifest */
    uint8_t sequence;
    uint8_t code, left; /* of the COBS block that comes in */
    bool broken;
    uint32_t length;
    uint32_t payload; /* the longest that both ends take */
    uint8_t frame[3 + POPFLIP_PAYLOAD + 2];
};

/* Say what a result means. */
const char *popflip_text(int result);

/*
 * Open a machine: see that it answers and is of this design. Nothing is written. `device` needs no
 * initial value; `design`, `bus` and `line` have to stay.
 */
int popflip_open_bus(struct popflip *device, const struct popflip_design *design,
                     const struct popflip_bus *bus);
int popflip_open_line(struct popflip *device, const struct popflip_design *design,
                      const struct popflip_line *line);

/*
 * Read or write words of a region, each padded to whole bytes, low byte first. If a write fails half
 * way, the words before are written.
 */
int popflip_read(struct popflip *device, uint32_t region, uint32_t word, uint32_t count,
                 uint8_t *bytes);
int popflip_write(struct popflip *device, uint32_t region, uint32_t word, uint32_t count,
                  const uint8_t *bytes);

/* Registers, and counters of 64 bits (also during a run). */
int popflip_get(struct popflip *device, uint32_t number, uint32_t *value);
int popflip_set(struct popflip *device, uint32_t number, uint32_t value);
int popflip_count(struct popflip *device, uint32_t counter, uint64_t *value);
int popflip_clear(struct popflip *device);

/*
 * A network as `popflip export` writes it. Loading sees that it is whole, and of this design, before
 * it writes anything; a batch that was under way is forgotten. Saving needs design->image_bytes.
 */
int popflip_load(struct popflip *device, const uint8_t *image, size_t bytes);
int popflip_save(struct popflip *device, uint8_t *image, size_t bytes);

/*
 * Make a sample of an image of bytes, row by row, and its class: design->sample_bytes.
 */
void popflip_pack(const struct popflip_design *design, const uint8_t *pixels, uint8_t label,
                  uint8_t *sample);

/*
 * Learn from samples, one behind the other; predict the classes of samples. Both wait for the end.
 * `flush` learns a batch that is not full, too: say so with the last samples of an epoch. `classes`
 * may be 0 for those who train; it gets what each sample was taken for.
 */
int popflip_train(struct popflip *device, const uint8_t *samples, uint32_t count, bool flush,
                  uint8_t *classes);
int popflip_infer(struct popflip *device, const uint8_t *samples, uint32_t count,
                  uint8_t *classes);

/* Parts of the above: begin a run, ask whether one is on, wait for its end, end it. */
int popflip_begin(struct popflip *device, uint32_t flags, uint32_t first, uint32_t count);
int popflip_busy(struct popflip *device, bool *busy);
int popflip_wait(struct popflip *device);
int popflip_stop(struct popflip *device);

/*
 * Of a bus: which events raise `irq`, and those that have happened since they were asked for last.
 * An interrupt's handler asks, so that `irq` falls.
 */
int popflip_interrupt(struct popflip *device, uint32_t events);
int popflip_events(struct popflip *device, uint32_t *events);

/* For POPFLIP_BUS_AT. */
int popflip_memory_read(void *context, uint32_t address, uint32_t *value);
int popflip_memory_write(void *context, uint32_t address, uint32_t value);

#ifdef __cplusplus
}
#endif

#endif
