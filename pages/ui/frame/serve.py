"""Start the dashboard: `python -m pages.ui.frame.serve run app.py …`, what `turnover app` does.

Streamlit takes any app beside a folder `pages` for its old kind of app until app.py has run for the
first time. A link to a page of ours would then be answered with "page not found" by a fresh server,
so it is told beforehand. `streamlit run app.py` works as well, but for that first link.
"""

import os

from streamlit.runtime.pages_manager import PagesManager
from streamlit.web.cli import main

# Threads of one session that wait must not spin on the cores that another session needs.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

if __name__ == "__main__":
    PagesManager.uses_pages_directory = False
    main(prog_name="streamlit")
