"""Who is let in and who decides: doors before Streamlit, login, the name of a reviewer.

Any page may use it. No page's own content belongs here.
"""
