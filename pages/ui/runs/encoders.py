"""Encoders that were compared on this data, on the Runs page."""

import pandas as pd
import streamlit as st

from influence_core.errors import StoreError
from influence_core.workflow.results import Project
from influence_core.workflow.train.runs.compare_encoders import encoder_scores, verdict
from pages.ui.draw import numbers
from pages.ui.draw.content import visible
from pages.ui.draw.text import plain

ENCODER_WIDTH = 210  # pixels


def encoders(project: Project) -> None:
    """Encoders that were tried on this data."""
    try:
        scores = encoder_scores(project)
    except StoreError as error:  # the rest of the page stays
        st.warning(plain(visible(str(error))))
        return
    if not scores:
        return
    st.markdown("**Encoders compared**")
    st.dataframe(
        pd.DataFrame(
            {
                "encoder": visible(score.encoder),
                f"right on {score.split}": f"{numbers.percent(score.accuracy, 1)} "
                f"± {100 * score.error:.1f}",
                "wrong labels found": numbers.percent(score.label_ap),
                "seconds a thousand rows": f"{score.seconds:.2g}",
                "numbers a row": score.numbers,
            }
            for score in scores
        ),
        hide_index=True,
        key="encoders_table",
        column_config={
            # A name of the hub is long; the figures beside it must not leave a narrow screen.
            "encoder": st.column_config.Column(width=ENCODER_WIDTH),
            "wrong labels found": st.column_config.Column(
                help="Average precision of the flipped side's doubt, with a tenth of the labels "
                "made wrong on purpose; guessing gives 10 %."
            ),
        },
    )
    st.info(plain(verdict(scores)) or "Try a second one: `turnover encode PROJECT --encoder NAME`.")
    kept = plain(visible(project.settings.encoder))
    st.caption(
        f"This project keeps {kept}. To use another one, make a project of the same rows: "
        "`turnover new … --encoder NAME`."
    )
