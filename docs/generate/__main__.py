"""Write all of them."""

from docs.generate import events, permissions

for module in (events, permissions):
    module.PAGE.write_text(module.page())
