"""The command that fits a home's own threshold: calibrate."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from spkid.cli.homes import HouseholdOption, ModelOption, StoreOption, open_store, store_files
from spkid.cli.output import (
    JsonFlag,
    TrustOption,
    check_plot,
    percent,
    print_json,
    print_table,
    rate_option,
    save_plot,
    say,
)

if TYPE_CHECKING:
    from enrollment.home_rate import HomeRate, OwnTrials


def calibrate(
    household: HouseholdOption,
    far: Annotated[
        float, rate_option("--far", "Share of strangers' clips to accept, such as 1%.")
    ] = 0.05,
    plot: Annotated[
        Path | None, typer.Option(readable=False, help="Write the curve as a .png or .svg.")
    ] = None,
    model: ModelOption = None,
    trust_code: TrustOption = False,
    store: StoreOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Choose a home's own threshold for strangers from its enrolled clips."""
    from enrollment.household import Household
    from spkid.scoring.model import Model

    check_plot(plot, inputs=(model, *store_files(store)))
    with open_store(store) as opened:
        chosen, trials = Household(
            opened, household, model=Model.load(model, trust_code=trust_code)
        ).calibrate(far)
    if plot is not None:
        draw(trials, chosen, plot)
    n_passed = int((trials.impostor_rates <= chosen.rate).sum())
    n_missed = int((trials.own_rates > chosen.rate).sum())
    if as_json:
        print_json(
            {
                "household": household,
                "far": far,
                "shipped_rate": chosen.rate,
                "n_impostor_clips": len(trials.impostor_rates),
                "n_impostors_accepted": n_passed,
                "n_own_clips": len(trials.own_rates),
                "n_own_missed": n_missed,
            }
        )
        return
    rows = [
        ("strangers' clips to accept", percent(far)),
        ("threshold used: that of the shipped calibration for", percent(chosen.rate)),
        ("clips that pass for another member", f"{n_passed} of {len(trials.impostor_rates)}"),
        ("clips missed, each left out in turn", f"{n_missed} of {len(trials.own_rates)}"),
    ]
    print_table(f"{household}: its own threshold", ("figure", "value"), rows)
    say("'spkid identify' uses it until somebody is enrolled or forgotten.")


def draw(trials: OwnTrials, chosen: HomeRate, path: Path) -> None:
    """The home's own clips over the shipped threshold, as a picture; beside and renamed."""
    import numpy as np

    from spkid.pages import new_figure
    from spkid.scoring.scale import RATES

    rates = np.geomspace(RATES[0], RATES[-1], 200)
    curves = {
        "shipped: strangers accepted": rates,
        "this home: strangers accepted": [trials.share_let_in(rate) for rate in rates],
        "clips that pass for another member": [
            (trials.impostor_rates <= rate).mean() for rate in rates
        ],
    }
    if len(trials.own_rates):
        curves["own clips missed"] = [(trials.own_rates > rate).mean() for rate in rates]
    with new_figure(6.4, 4.2) as figure:
        axes = figure.subplots()
        for label, values in curves.items():
            axes.plot(100 * rates, 100 * np.asarray(values), label=label)
        axes.axhline(100 * chosen.far, color="0.7", linestyle=":")
        axes.axvline(100 * chosen.rate, color="0.3", linestyle="--", label="chosen threshold")
        axes.set(
            xscale="log",
            xlabel="threshold, as the share of strangers that it was shipped for, %",
            ylabel="clips, %",
        )
        axes.legend(fontsize="small")
        save_plot(figure, path)
