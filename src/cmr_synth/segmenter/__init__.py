"""What finds the heart: the bundled segmenter, judge of adherence and completer of labels."""
