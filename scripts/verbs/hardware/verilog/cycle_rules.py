"""The rules of :class:`popflip.golden.cycles.model.CycleModel`, in words and numbers."""

from popflip.golden.cycles import latencies
from popflip.golden.cycles.leaky import step_cycles
from popflip.golden.description.params import Params

__all__ = ["cycle_rules"]


def cycle_rules(params: Params) -> dict:
    """Say what each part of a sample takes, for the manifest."""
    rules = {
        "note": "Exact, but dependent on the sample: what cannot change anything is skipped. "
        "popflip.golden.cycles.model.CycleModel computes the cycles of each sample; the counters "
        "of the machine have them after a run.",
        "drive": _drive(params),
        "sweep": _sweep(params),
        "readout": {
            "rule": "The prediction is read out behind the free phase, beside the nudged phases.",
            "cycles": params.network.classes + latencies.READOUT_LATENCY,
        },
    }
    if params.machine.training:
        rules["update"] = _update(params)
        rules["flush"] = _flush(params)
    if params.dynamics.leaky:
        _change_for_leaky(params, rules)
    elif params.machine.overlap:
        _change_for_overlap(params, rules)
    return rules


def _drive(params: Params) -> dict:
    first = params.synapses(0)
    groups = params.neuron_groups
    rows, _ = params.grid
    tree = latencies.tree_latency(first.word_bits)
    fetch, looks = params.load_rows, int(latencies.looks_at(params).sum())
    if params.machine.serial_windows:
        # What a window's rows take longer than the groups that look at the one before.
        waits, begins = max(0, fetch - first.groups), "a window"
        all_waits = (looks - 1) * waits
    else:
        waits, begins = latencies.line_waits(params), "a row of windows"
        all_waits = (rows - 1) * waits
    # Two states before the pulse is over, the first group, and the words of the others.
    pool = latencies.pool_latency(params)
    least = (
        2 + (fetch + tree + latencies.DRIVE_LATENCY + pool) + looks * params.look_words + all_waits
    )
    return {
        **_pooling(params, looks, pool),
        "rule": "The rows of the first window are fetched; then each group of neurons that "
        f"are evaluated side by side takes the greater of its words (and `rows_fetched_later`, "
        f"where {begins} begins) and the neurons of the group before that matter: "
        "those that are active or undecided, with the sign code all.",
        "groups": groups,
        "words_per_group": first.chunks,
        "rows_fetched_first": fetch,
        "rows_fetched_later": waits,
        "tree_latency": tree,
        "latency": latencies.DRIVE_LATENCY,
        "least": least,
    }


def _pooling(params: Params, looks: int, latency: int) -> dict:
    """Say what pooled windows take beside those of one look."""
    if not params.first_layer.pooled:
        return {}
    return {
        "pooling": {
            "rule": "The groups of a position take their words once for each look at "
            "`windows_per_look` of its windows, and matter with the last one. `words_before` words "
            "come before those of the first group at each look. `latency` is added once.",
            "words_before": params.synapses(0).chunks * params.machine.mask_words,
            "windows_per_look": params.machine.pool_lanes,
            "looks": looks,
            "latency": latency,
        }
    }


def _sweep(params: Params) -> dict:
    visits = []
    for layer in range(1, params.depth):
        shape = params.synapses(layer)
        latency = latencies.tree_latency(shape.word_bits)
        visits.append({
            "hidden_layer": layer,
            "neuron": shape.chunks,
            "latency": latencies.VISIT_LATENCY + latency + 1,
            "change_queued": latencies.VISIT_LATENCY + latency + latencies.QUEUE_LATENCY,
            "change_applied": shape.chunks - 1 + latencies.APPLY_LATENCY,
        })
    return {
        "rule": "A sweep has two halves, the odd layers and the even ones. A half takes 1 "
        "cycle to begin, then as long as the slowest of its layers: the outputs take "
        "`outputs`; a hidden layer is visited if one of its neighbours has changed. Each of "
        "its neurons (in layer 1: each undecided one) takes `neuron` cycles, and `latency` "
        "follows the last (without neurons to visit: 1 cycle in all). A change is ready to be "
        "applied `change_queued` cycles behind its neuron's last word. Changes are applied "
        "after all visits, one after the other, `neuron` cycles each, and the last is done "
        "`change_applied` cycles after its beginning. A phase ends with a sweep that leaves "
        "nothing to do, or with its last, and takes 1 cycle to end.",
        "hidden_layers": visits,
        "outputs": params.output_chunks + latencies.OUTPUT_LATENCY,
        "free_sweeps": params.dynamics.free_sweeps,
        "nudged_sweeps": params.learning.nudged_sweeps,
    }


def _update(params: Params) -> dict:
    if params.machine.shared_update:
        served = "One engine serves all weight layers, a row at a time, the highest layer's first."
    else:
        served = "All weight layers work at once; the slowest counts."
    fetched = ""
    if params.first_layer.pooled and params.machine.serial_windows:
        rows = params.load_rows + 1
        fetched = f" Before a row of layer 0, its window takes {rows} cycles to be fetched."
    updates = []
    for layer in range(params.depth):
        shape = params.synapses(layer)
        latency = latencies.SHARED_LATENCY if shape.shared else latencies.UPDATE_LATENCY
        updates.append({"weight_layer": layer, "row": shape.row_cycles, "latency": latency + 1})
    return {
        "rule": f"{served} In layer 0 the rows of the neurons that differ between the two nudged "
        "states are updated; in a later layer those too, and, if any neuron above differs, the "
        "rows of neurons that are active in either nudged state (with the sign code: all). A row "
        "takes `row` cycles, during which the next one is sought at a neuron per cycle; `latency` "
        f"follows the last.{fetched}",
        "weight_layers": updates,
    }


def _flush(params: Params) -> dict:
    scans = [s.rows * s.row_cycles for s in map(params.synapses, range(params.depth))]
    if params.machine.shared_update:
        flushed = "All rows of all layers are tested, one after the other."
        scan, latency = sum(scans), 1 + latencies.SHARED_LATENCY + 1
    else:
        flushed = "The longest layer counts; `latency` is added once."
        scan, latency = max(scans), 1 + latencies.UPDATE_LATENCY + 2
    return {
        "rule": "At the end of a batch, if it has more than 1 sample or the host has written "
        "weights, latents or thresholds since the last flush: `row` cycles of update for each "
        "row that the batch (or the host: all) has touched, 1 for each slot without such a "
        f"row. {flushed}",
        "latency": latency,
        "most": scan + latency,
    }


def _change_for_leaky(params: Params, rules: dict) -> None:
    """Put in what is different where all neurons keep a potential, and move in steps."""
    first = params.synapses(0)
    if params.machine.serial_windows:
        later = (params.positions - 1) * max(0, params.first_layer.load_rows - first.groups)
    else:
        later = (params.grid[0] - 1) * latencies.line_waits(params)
    waits, words = params.first_layer.load_rows + later, first.weight_depth
    latency = latencies.tree_latency(first.word_bits) + latencies.MARGIN_LATENCY
    rules["drive"] = {
        "rule": "`words` of weights and `rows_fetched` of the image, a cycle each, and `latency`, "
        "whatever the sample; 2 cycles to begin.",
        "words": words,
        "rows_fetched": waits,
        "latency": latency,
        "least": 2 + words + waits + latency,
    }
    passes = []
    for layer in range(1, params.depth):
        shape = params.synapses(layer)
        latency = latencies.tree_latency(shape.word_bits) + latencies.LEAKY_LATENCY
        passes.append({"hidden_layer": layer, "words": shape.weight_depth, "latency": latency})
    del rules["sweep"]
    rules["step"] = {
        "rule": "A step is a pass over each hidden layer, one after the other, and then an update "
        "of the outputs. A pass takes `words` and `latency`, the outputs take `outputs`. A phase "
        "ends with a step that changes no potential, or with its last; it takes 1 cycle to begin "
        "and 1 to end.",
        "hidden_layers": passes,
        "outputs": params.output_chunks + latencies.OUTPUT_LATENCY,
        "cycles": step_cycles(params),
        "free_steps": params.dynamics.free_sweeps,
        "nudged_steps": params.learning.nudged_sweeps,
    }
    if params.machine.training:
        rules["update"]["rule"] += (
            " Neurons are sought in groups of `neuron_lanes`: a group takes a cycle for each of "
            "its neurons that has a row to update, and one if none has."
        )


def _change_for_overlap(params: Params, rules: dict) -> None:
    """Put in what is different where one sample is driven while another one relaxes."""
    first, pool = params.synapses(0), latencies.pool_latency(params)
    words = params.looks * params.positions * params.look_words
    waits = params.load_rows + (params.grid[0] - 1) * latencies.line_waits(params)
    latency = latencies.tree_latency(first.word_bits) + latencies.GROUP_LATENCY + pool
    rules["drive"] = {
        "rule": "`words` of weights and `rows_fetched` of the image, a cycle each, and `latency`, "
        "whatever the sample. The drive of the next sample of a run and of a batch begins with "
        "the first sweep of the one before, which then waits for it at most; `least` is without "
        "that. A sample that begins again waits for the drive that is under way.",
        "words": words,
        "rows_fetched": waits,
        "latency": latency,
        "least": 2 + words + waits + latency,
    }
    rules["sweep"] |= {
        "rule": "A sweep has two halves, the hidden layer's and the outputs'. A half takes 1 cycle "
        "to begin. The outputs take `outputs`; the hidden layer is visited if an output has "
        "changed, which takes as many cycles as the longest list of a bank has undecided neurons, "
        "and `latency` (1 cycle in all if there are none). A phase ends with a sweep that leaves "
        "nothing to do, or with its last, and takes 1 cycle to end.",
        "hidden_layers": [{"hidden_layer": 1, "latency": latencies.LIST_LATENCY}],
    }
    if params.machine.training:
        rules["update"]["rule"] = (
            "If any output differs between the nudged states, the rows of the decided "
            "neurons are updated in weight layer 1, one after the other. Then come the undecided "
            "neurons that differ, in both weight layers, and, if any output differs, those that "
            "are active in either nudged state, in weight layer 1; from one row of windows to the "
            "next it takes a cycle, and `stride` cycles at least, in which rows of the image are "
            "fetched. Neurons that change nothing are passed over, in all banks side by side. A "
            "row takes `row` cycles of its engine; `latency` follows the last."
        )
