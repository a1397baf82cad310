"""The page that explores a run: an explorer without a page, checks of uploads, HTML, and the Gradio page."""
