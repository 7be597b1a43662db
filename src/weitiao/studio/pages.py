"""The pages of the studio, in the order of the menu: a new page is its module and a line here."""

from weitiao.studio import chat, compare, data, recipe, review, train
from weitiao.studio.page import Page

PAGES: tuple[Page, ...] = (data.PAGE, review.PAGE, recipe.PAGE, train.PAGE, compare.PAGE, chat.PAGE)
