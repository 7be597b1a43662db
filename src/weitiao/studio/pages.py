"""The pages of the studio, in the order of the menu: a new page is its module and a line here."""

from weitiao.studio import chat, compare, data, review
from weitiao.studio.page import Page

PAGES: tuple[Page, ...] = (data.PAGE, review.PAGE, compare.PAGE, chat.PAGE)
