"""The widget: one line in any page, and its visitors can talk to the business's agents.

What browsers load is `static/`, served as it is but for the names of modules; what the panel asks
when it opens is `GET /api/widget/config`; the conversation itself is chat v2. Who a visitor is, the
page may prove: `POST /api/conversations/{id}/identity`.
"""
