"""`make demo`: two weeks of a growing cluster, once without Berthmaster and once with it, printed and as a web page."""
