from ._check_images import check_images as check_images
from ._check_images import choose_size as choose_size
