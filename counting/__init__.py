"""Train, test, take apart and certify the smallest recurrent networks that might count brackets."""
