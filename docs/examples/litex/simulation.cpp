// Runs the system until its firmware sends END, and prints what it sends.
#include <cstdio>
#include <memory>

#include "Vsystem.h"
#include "verilated.h"

static constexpr int END = 4;

int main()
{
    const auto system = std::make_unique<Vsystem>();
    system->serial_source_ready = 1;
    for (unsigned long cycles = 0; cycles < 4'000'000'000; cycles++) {
        system->clk = 0;
        system->eval();
        const bool valid = system->serial_source_valid;
        const int character = system->serial_source_data;
        system->clk = 1;
        system->eval();
        if (valid && character == END) {
            std::printf("simulated cycles: %lu\n", cycles);
            return 0;
        }
        if (valid && character != '\r') {
            std::putchar(character);
            if (character == '\n')
                std::fflush(stdout);
        }
    }
    std::fprintf(stderr, "no end\n");
    return 1;
}
