// The harness of the virtual board: one Verilated top, its clock, a UART at its pins and the
// sample store behind its store port, or an SPI flash at its pins (FLASH is 1). The pin error is
// looked at if there is one (ERROR_PIN is 1). model.py compiles it, board.py calls it.
//
// The top sits in a wrapper (model.py) that registers every input. So nothing combinational
// hangs on the inputs of the Verilated model, the outputs are final after the one evaluation of
// the clock's edge. All that happens in one cycle:
//
//   outputs of the cycle are there -> the harness decides the inputs of the next -> edge
//
// Without waves every edge of clk begins a cycle (model.py says how), which saves one evaluation
// of two; with waves, clk looks as on a board.

#include "Vbench.h"
#include "verilated.h"
#if VM_TRACE
#include "verilated_vcd_c.h"
#endif

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>

#define API extern "C" __attribute__((visibility("default")))

namespace {

// Requests that wait at the store: enough for a core that asks for the next sample early.
constexpr unsigned REQUESTS = 4;
// Length at which a burst is handed over before its end.
constexpr size_t ENOUGH = 65536;

// From the host to pin rx.
struct Sender {
    std::string queue;
    size_t next = 0;
    uint32_t left = 0;   // cycles to the next bit
    uint32_t frame = 0;  // bits still to send, the next one lowest; 0: none

    // Advance by one cycle; changes the pin only at the edges of bits.
    void step(uint8_t& pin, uint32_t divisor) {
        if (left && --left) return;
        if (!frame) {
            if (next == queue.size()) {
                if (next) queue.clear(), next = 0;
                return;
            }
            if (next >= ENOUGH) queue.erase(0, next), next = 0;
            frame = 0x600u | static_cast<uint8_t>(queue[next++]) << 1;  // marker, stop, data, start
        }
        if (frame == 1) {  // Only the marker: the stop bit has been held for its time.
            frame = 0;
            step(pin, divisor);
            return;
        }
        pin = frame & 1;
        frame >>= 1;
        left = divisor;
    }
};

// From pin tx to the host.
struct Receiver {
    std::string queue;
    uint64_t framing_errors = 0;
    uint32_t left = 0;   // cycles to the next sample of the pin
    uint32_t quiet = 0;  // cycles until the burst counts as over
    uint8_t bits = 0;    // samples still to take; 0: wait for a start bit
    uint8_t shift = 0;
    bool broken = false;  // the line has to be high before the next start bit

    // Advance by one cycle; true when the line has been quiet since a byte for long enough.
    bool step(uint8_t pin, uint32_t divisor) {
        if (bits) {
            if (--left) return false;
            left = divisor;
            if (--bits) {
                shift = static_cast<uint8_t>(shift >> 1 | pin << 7);
            } else if (pin) {
                queue.push_back(static_cast<char>(shift));
                quiet = 2 * divisor;
            } else {
                ++framing_errors;
                broken = true;
            }
            return false;
        }
        if (pin) {
            broken = false;
            return quiet && --quiet == 0;
        }
        if (!broken) {
            bits = 9;
            left = divisor + divisor / 2;
        }
        return false;
    }
};

// An SPI flash in clock mode 0, whose clock may pulse in each half of a cycle.
struct Flash {
    const uint8_t* content = nullptr;
    uint64_t size = 0;
    uint64_t errors = 0;
    uint64_t reads = 0;
    uint64_t address = 0;
    uint32_t bits = 0;  // of the command, and of its data
    uint8_t instruction = 0;
    uint8_t level = 0;
    uint8_t lines = 0xF;
    bool selected = false;
    bool asleep = true;

    uint8_t byte_at(uint64_t at) const { return at < size ? content[at] : 0xFF; }

    void rise(uint8_t o, uint8_t oe) {
        if (bits < 32 && oe != 0xD) ++errors;  // all driven but its output
        if (bits < 8) {
            instruction = static_cast<uint8_t>(instruction << 1 | (o & 1));
            if (bits == 7) know();
        } else if (bits < 32) {
            address = (address << 1 | (o & 1)) & 0xFFFFFF;
        }
        ++bits;
    }

    void know() {
        const bool read = instruction == 0x03 || instruction == 0x0B || instruction == 0x3B ||
                          instruction == 0x6B;
        if (asleep ? instruction != 0xAB : instruction != 0xAB && instruction != 0xB9 && !read)
            ++errors;
        reads += read && !asleep;
        address = 0;
    }

    void fall(uint8_t oe) {
        const uint32_t head = instruction == 0x03 ? 32 : 40;
        if (asleep || bits < head) return;
        const uint32_t at = bits - head;
        if (instruction == 0x3B) {
            if (oe & 0x3) ++errors;
            lines = static_cast<uint8_t>(0xC | (byte_at(address + at / 4) >> (6 - at % 4 * 2) & 3));
        } else if (instruction == 0x6B) {
            if (oe) ++errors;
            const uint8_t byte = byte_at(address + at / 2);
            lines = at % 2 ? byte & 0xF : byte >> 4;
        } else if (instruction == 0x0B || instruction == 0x03) {
            lines = static_cast<uint8_t>(0xD | (byte_at(address + at / 8) >> (7 - at % 8) & 1) << 1);
        }
    }

    void let_go() {
        if (level) ++errors;
        if (instruction == 0xAB) asleep = false;
        else if (instruction == 0xB9) asleep = true;
        else if (bits <= 32) ++errors;
        selected = false;
        lines = 0xF;
    }

    // Advance by one cycle.
    void step(uint8_t cs_n, uint8_t sck, uint8_t o, uint8_t oe) {
        if (cs_n) {
            if (selected) let_go();
            if (sck) ++errors;
            return;
        }
        if (!selected) {
            selected = true;
            bits = 0;
            instruction = 0;
        }
        for (const uint8_t half : {sck & 1, sck >> 1}) {
            if (half && !level) rise(o, oe);
            if (!half && level) fall(oe);
            level = half;
        }
    }
};

struct Board {
    VerilatedContext context;
    Vbench top{&context};
#if VM_TRACE
    VerilatedVcdC trace;
    bool tracing = false;
#endif
    const uint32_t divisor;
    const uint64_t sample_bytes;
    Sender sender;
    Receiver receiver;
    Flash flash;
    uint64_t cycles = 0;

    const uint8_t* samples = nullptr;
    uint64_t sample_count = 0;
    uint64_t requests = 0;
    uint64_t out_of_range = 0;
    std::array<uint32_t, REQUESTS> waiting{};
    unsigned first = 0;   // place of the request being answered
    unsigned pending = 0; // requests that wait or are being answered
    uint64_t offset = 0;  // its bytes that have gone

    Board(uint32_t divisor_, uint64_t sample_bytes_)
        : divisor{divisor_}, sample_bytes{sample_bytes_} {
#if VM_TRACE
        context.traceEverOn(true);
#endif
        top.clk = 0;
        top.rx = 1;
#if RESET
        top.rst = 0;
#endif
#if FLASH
        top.i = 0xF;
#else
        top.request_ready = 0;
        top.data_valid = 0;
        top.data_payload = 0;
#endif
        top.eval();
    }

    ~Board() { top.final(); }

    // The store's part of a cycle. The inputs still hold what the core sees in this cycle.
    void serve() {
#if FLASH
        // Between two edges of its clock a flash does nothing.
        if (top.cs_n != flash.selected && top.sck == (flash.level ? 3 : 0)) return;
        flash.step(top.cs_n, top.sck, top.o, top.oe);
        top.i = flash.lines;
#else
        if (top.request_valid && top.request_ready) {
            waiting[(first + pending++) % REQUESTS] = top.request_payload;
            ++requests;
            out_of_range += top.request_payload >= sample_count;
        }
        if (top.data_valid && top.data_ready && ++offset == sample_bytes) {
            offset = 0;
            first = (first + 1) % REQUESTS;
            --pending;
        }
        top.request_ready = pending < REQUESTS;
        top.data_valid = pending != 0;
        if (pending) {
            const uint64_t sample = waiting[first];
            top.data_payload = sample < sample_count ? samples[sample * sample_bytes + offset] : 0;
        }
#endif
    }

    void cycle() {
#if VM_TRACE
        for (const uint8_t level : {1, 0}) {
            top.clk = level;
            top.eval();
            if (tracing) trace.dump(2 * cycles + !level);
        }
#else
        top.clk = !top.clk;
        top.eval();
#endif
        ++cycles;
    }

    bool run(uint64_t count, bool until_bytes) {
        for (const uint64_t end = cycles + count; cycles != end;) {
            sender.step(top.rx, divisor);
            const bool over = receiver.step(top.tx, divisor);
#if FLASH
            serve();
#else
            if (!top.request_ready || top.request_valid || pending) serve();
#endif
            cycle();
            if (until_bytes && (over || receiver.queue.size() >= ENOUGH)) return true;
        }
        return false;
    }
};

}  // namespace

API Board* board_new(uint32_t divisor, uint64_t sample_bytes) {
    return new Board{divisor, sample_bytes};
}

API void board_delete(Board* board) { delete board; }

// Write waves to a file from now on; false if the model was built without.
API int board_trace(Board* board, const char* path) {
#if VM_TRACE
    board->top.trace(&board->trace, 99);
    board->trace.open(path);
    return board->tracing = board->trace.isOpen();
#else
    (void)board, (void)path;
    return false;
#endif
}

API void board_store(Board* board, const uint8_t* samples, uint64_t count) {
    board->samples = samples;
    board->sample_count = count;
}

API void board_flash(Board* board, const uint8_t* content, uint64_t size) {
    board->flash.content = content;
    board->flash.size = size;
}

API void board_write(Board* board, const char* data, uint64_t count) {
    board->sender.queue.append(data, count);
}

// Simulate `cycles` cycles; with `until_bytes` fewer when a burst of bytes ends, then true.
API bool board_run(Board* board, uint64_t cycles, bool until_bytes) {
    return board->run(cycles, until_bytes);
}

// Bytes that wait for the host.
API uint64_t board_waiting(const Board* board) { return board->receiver.queue.size(); }

// Take them: `data` has room for all.
API void board_read(Board* board, char* data) {
    board->receiver.queue.copy(data, board->receiver.queue.size());
    board->receiver.queue.clear();
}

// Pull the reset for some cycles; false if the model was built without.
API int board_reset(Board* board, uint64_t cycles) {
#if RESET
    board->top.rst = 1;
    board->run(cycles, false);
    board->top.rst = 0;
    board->pending = 0;
    board->offset = 0;
    return true;
#else
    (void)board, (void)cycles;
    return false;
#endif
}

API void board_counters(const Board* board, uint64_t* counters) {
    counters[0] = board->cycles;
    counters[1] = FLASH ? board->flash.reads : board->requests;
    counters[2] = board->out_of_range;
    counters[3] = board->receiver.framing_errors;
    counters[4] = board->sender.queue.size() - board->sender.next;
    counters[5] = board->flash.errors;
#if ERROR_PIN
    counters[6] = board->top.error;
#else
    counters[6] = 0;
#endif
}
