"""The end of a search: finalists trained again and compared, and the winner made into a bundle."""
