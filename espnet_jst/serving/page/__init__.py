"""The page that a browser shows: plain HTML, CSS and modules of JavaScript, and how they are sent (`routes`)."""
